import { Chat, useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { createRoot } from "react-dom/client";

const id = location.hash.slice(1);
const past = await (await fetch(`/api/chat/${id}`)).json();
const transport = new DefaultChatTransport();
const chat = new Chat({
  id,
  messages: past.messages,
  transport,
  // The run goes on while the server cannot be reached: ask again until it can.
  onError: (error) => error instanceof TypeError && setTimeout(() => void chat.resumeStream(), 200),
});

function Conversation() {
  const { messages, sendMessage, status, error } = useChat({ chat, resume: true });
  const send = (form) => sendMessage({ text: form.get("text") });
  return (
    <>
      <ol>
        {messages.map((message) => (
          <li key={message.id} data-role={message.role}>
            {message.parts.map((part, index) => (
              <Part key={index} part={part} />
            ))}
          </li>
        ))}
      </ol>
      <p role="status">{status}</p>
      <p role="alert">{error?.message}</p>
      <form action={send}>
        <input name="text" aria-label="Message" />
      </form>
      <button onClick={() => fetch(`/api/chat/${id}/stop`, { method: "POST" })}>Stop</button>
      <script type="application/json">{JSON.stringify(messages)}</script>
    </>
  );
}

function Part({ part }) {
  if (part.type === "text") return <span>{part.text}</span>;
  if (part.type === "reasoning") return <i>{part.text}</i>;
  if (part.type === "dynamic-tool") return <code>{`${part.toolName}: ${part.state}`}</code>;
  return null;
}

createRoot(document.querySelector("main")).render(<Conversation />);
