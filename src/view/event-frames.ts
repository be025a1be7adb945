/** One Server-Sent Event. */
export interface EventFrame {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
}

/** Cuts a stream of Server-Sent Events into its frames, however the text is divided. What has no data, such as a sign of life, is no frame. */
export class EventFrameReader {
  #rest = "";

  read(text: string): EventFrame[] {
    const parts = (this.#rest + text).split("\n\n");
    this.#rest = parts.pop() ?? "";
    return parts.flatMap((part) => {
      let event = "message";
      let id: string | undefined;
      const data: string[] = [];
      for (const line of part.split("\n")) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (line.startsWith("id:")) id = line.slice(3).trim();
        else if (line.startsWith("event:")) event = line.slice(6).trim();
      }
      return data.length === 0 ? [] : [{ event, data: data.join("\n"), ...(id === undefined ? {} : { id }) }];
    });
  }
}
