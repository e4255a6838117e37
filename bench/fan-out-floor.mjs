// The same bytes to the same number of sockets, with no service in between: told by a line on standard input.
import { createServer } from 'node:net';

const sockets = [];
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  sockets.push(socket);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`listens on ${server.address().port}\n`));
let bytes = Buffer.alloc(0);
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  for (const line of text.split('\n').filter(Boolean)) {
    if (line.startsWith('bytes ')) bytes = Buffer.alloc(Number(line.slice(6)), 120);
    else {
      for (const socket of sockets) socket.write(bytes);
      process.stdout.write('done\n');
    }
  }
});
