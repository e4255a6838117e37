import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { sealedColumns } from '../../../src/reseal/columns.js';

it('another sealing key reaches every column with something sealed in it', () => {
  const models = readFileSync('prisma/schema.prisma', 'utf8')
    .split(/^model /m)
    .slice(1);
  const inSchema = models.flatMap((model) => {
    const table = /@@map\("(\w+)"\)/.exec(model)![1]!;
    const fields = [...model.matchAll(/^ +(\w*[sS]ealed\w*) +Bytes\??( +@map\("(\w+)"\))?/gm)];
    return fields.map(([, field, , column]) => `${table}.${column ?? field}`);
  });
  expect(inSchema.length).toBeGreaterThan(5);
  expect(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(inSchema.sort());
});
