import { Gauge } from 'prom-client';

type Values = Record<string, number>;

/** A gauge without labels. With `read`, it is read when it is asked for; undefined leaves it as it is. */
export function gauge(name: string, help: string, read?: () => Promise<number | undefined> | number | undefined) {
  const made: Gauge = new Gauge({
    name,
    help,
    registers: [],
    ...(read === undefined
      ? {}
      : {
          async collect() {
            const value = await read();
            if (value !== undefined) made.set(value);
          },
        }),
  });
  return made;
}

/** A gauge with one label. */
export function gaugeBy<Label extends string>(name: string, help: string, label: Label, read?: () => Values) {
  const made: Gauge<Label> = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [],
    ...(read === undefined ? {} : { collect: () => setAll(made, label, read()) }),
  });
  return made;
}

/** Gives each value of the label its figure. */
export function setAll<Label extends string>(gaugeOf: Gauge<Label>, label: Label, values: Values): void {
  for (const [value, figure] of Object.entries(values))
    gaugeOf.set({ [label]: value } as Record<Label, string>, figure);
}
