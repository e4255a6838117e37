/** What an edge says of a machine of which so much is in use, as shares of all of it. */
export const siteReport = (cpu: number, memory = 0.5) => ({
  capacity: { cores: 2, memory: 8_000_000_000, disk: 60_000_000_000 },
  load: {
    cpu,
    memory: Math.round(8_000_000_000 * memory),
    disk: 15_000_000_000,
    bandwidth: 8000,
    messages: 12.5,
    sessions: 3,
  },
});
