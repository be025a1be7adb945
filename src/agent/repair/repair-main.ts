#!/usr/bin/env node
/** The repair agent as a program: ACP over stdio, its sessions in `$HOME/.skein-repair`. */
import { homedir } from "node:os";
import { serveAcpAgent } from "../acp/acp-agent-side.ts";
import { createRepairAgent } from "./repair-agent.ts";

const agent = createRepairAgent(process.env["HOME"] ?? homedir(), process.env);
const server = serveAcpAgent("skein-repair", agent.handlers, { input: process.stdin, output: process.stdout });
// A client that is gone takes its agent with it: nobody is left to read what a search would find.
await server.closed;
await agent.stop();
process.exit(0);
