import type { Command } from 'commander';
import { contextCommands } from './context-commands.js';
import { thingCommands } from './thing-commands.js';

/** The commands of operators, over the public API. */
export function apiCommands(): Command[] {
  return [...contextCommands(), thingCommands()];
}
