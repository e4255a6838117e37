import type { SinkSettings } from '../settings/sink-shapes.js';
import type { Driver } from '../sinks/driver.js';
import { createHttpsSink } from './https.js';
import { createKafkaSink } from './kafka.js';
import { createMqttSink } from './mqtt.js';
import { createNatsSink } from './nats.js';

/** What delivers to a sink. `name` is what the edge is called there. @throws EdgeConfigError for a file that cannot be read */
export function createDriver(settings: SinkSettings, name: string): Driver {
  switch (settings.kind) {
    case 'mqtt':
      return createMqttSink(settings, name);
    case 'https':
      return createHttpsSink(settings);
    case 'nats':
      return createNatsSink(settings, name);
    case 'kafka':
      return createKafkaSink(settings, name);
  }
}
