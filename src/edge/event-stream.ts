/** One event of `text/event-stream` (HTML, 9.2.6). */
export type StreamEvent = { event: string; data: string };

// A policy may have a megabyte, and its text is escaped.
const longestEvent = 4 * 1024 * 1024;

/** The events in a body, as they come. Ends with the body. @throws Error for an event of more than four million characters */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let [event, data] = ['message', ''];
  for await (const chunk of body) {
    // Only what is new is searched: a long line may come in many pieces.
    const lines = decoder.decode(chunk, { stream: true }).split('\n');
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    if (rest.length + data.length > longestEvent) throw new Error('an event of the stream is too long');
    for (const line of lines) {
      if (line === '' && data !== '') yield { event, data };
      if (line === '') [event, data] = ['message', ''];
      else if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
  }
}
