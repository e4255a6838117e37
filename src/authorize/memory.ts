/** How long the log is remembered about things: longer than an access token lives, and than it takes to issue one. */
export const memorySeconds = 1800;
