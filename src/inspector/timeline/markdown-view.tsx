import type { ComponentChildren } from "preact";
import { type MarkdownBlock, type MarkdownInline, parseMarkdown } from "../../view/markdown.ts";
import { toPlainText } from "../../view/plain-text.ts";
import { ClippedText } from "./clipped-text.tsx";

/** What an agent wrote, as elements that this page makes itself: nothing of it is ever read as HTML. */
export function MarkdownView({ text, insideCode = false }: { readonly text: string; readonly insideCode?: boolean }) {
  return <div class="markdown">{parseMarkdown(toPlainText(text), { insideCode }).map(renderBlock)}</div>;
}

function renderBlock(block: MarkdownBlock): ComponentChildren {
  switch (block.type) {
    case "paragraph":
      return <p>{block.children.map(renderInline)}</p>;
    case "heading":
      // The page has headings of its own; those of a text stand below them, whatever level they say.
      return <p class={`heading heading-${block.level}`}>{block.children.map(renderInline)}</p>;
    case "code":
      return <ClippedText text={block.text} label={block.language} />;
    case "list": {
      const items = block.items.map((item) => <li>{item.map(renderBlock)}</li>);
      return block.start === undefined ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
    }
    case "quote":
      return <blockquote>{block.children.map(renderBlock)}</blockquote>;
    case "rule":
      return <hr />;
    case "table":
      return (
        <div class="table-frame" tabIndex={0} role="region" aria-label="table">
          <table>
            <thead>
              <tr>
                {block.header.map((cell) => (
                  <th scope="col">{cell.map(renderInline)}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row) => (
                <tr>
                  {row.map((cell) => (
                    <td>{cell.map(renderInline)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
  }
}

function renderInline(node: MarkdownInline): ComponentChildren {
  switch (node.type) {
    case "text":
      return node.text;
    case "code":
      return <code>{node.text}</code>;
    case "strong":
      return <strong>{node.children.map(renderInline)}</strong>;
    case "emphasis":
      return <em>{node.children.map(renderInline)}</em>;
    case "strike":
      return <s>{node.children.map(renderInline)}</s>;
    case "link":
      return <SafeLink href={node.href}>{node.children.map(renderInline)}</SafeLink>;
  }
}

/** A link that says where it leads, because its text may say something else. */
function SafeLink({ href, children }: { readonly href: string; readonly children: ComponentChildren }) {
  const { host, protocol, pathname } = new URL(href);
  const place = protocol === "mailto:" ? pathname : host;
  return (
    <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow ugc">
      {children}
      <span class="host"> ({place})</span>
    </a>
  );
}
