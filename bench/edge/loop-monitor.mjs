// Loaded into an edge beside the program itself: how long its loop was busy, and the longest time that anything had to wait for it.
import { createServer } from 'node:http';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let since = performance.eventLoopUtilization();
let used = process.cpuUsage();

// `/read` says what was since the last time it was asked.
const server = createServer((_request, response) => {
  const { active } = performance.eventLoopUtilization(since);
  const { user, system } = process.cpuUsage(used);
  const figures = { activeMs: active, cpuMs: (user + system) / 1000, longestMs: delay.max / 1e6 };
  const text = JSON.stringify({ ...figures, ...process.memoryUsage() });
  delay.reset();
  used = process.cpuUsage();
  since = performance.eventLoopUtilization();
  response.end(text);
});
server.listen(Number(process.env.LOOP_PORT), '127.0.0.1');
server.unref();
