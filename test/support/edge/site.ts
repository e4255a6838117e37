/** What an edge says of a machine of which so much is in use, as shares of all of it. */
export const siteReport = (cpu: number, memory = 0.5) => ({
  capacity: { cores: 2, memory: 1_000_000, disk: 2_000_000 },
  load: { cpu, memory: Math.round(1_000_000 * memory), disk: 500_000, bandwidth: 8000, messages: 12.5, sessions: 3 },
});
