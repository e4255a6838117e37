/** One event of `text/event-stream` (HTML, 9.2.6). */
export type StreamEvent = { event: string; data: string };

/** The events in a body, as they come. Ends with the body. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let [event, data] = ['message', ''];
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === '' && data !== '') yield { event, data };
      if (line === '') [event, data] = ['message', ''];
      else if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
  }
}
