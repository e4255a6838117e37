import { Counter, Gauge, type Registry } from 'prom-client';

export type PipelineMeters = ReturnType<typeof createPipelineMeters>;

/** What is read whenever the figures are. */
export type Watched = {
  active(): number;
  things(): number;
  evicted(): number;
  /** Octets in the journal. */
  journal(): number;
  /** Octets that wait to be done. */
  queued(): number;
};

/** The figures of the pipelines of an edge. */
export function createPipelineMeters(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: `thingward_edge_pipeline_${name}_total`, help, labelNames, registers });
  const ofPipeline = ['pipeline'] as const;
  return {
    messages: counter('messages', 'Messages that were kept for a pipeline', ofPipeline),
    published: counter('published', 'Records that went to sinks', ofPipeline),
    deadLetters: counter('dead_letters', 'Messages that went no further', ['pipeline', 'why'] as const),
    denied: counter('denied', 'Publishes of pipelines that policies deny', ofPipeline),
    unsent: counter('unsent', 'Publishes for a sink that this edge does not have', ofPipeline),
    refused: counter('refused', 'Messages that could not be kept: devices got no acknowledgement'),

    /** Shows figures that are read when they are asked for. */
    watch(watched: Watched): void {
      const gauge = (name: string, help: string, read: () => number): void => {
        const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) });
      };
      gauge('thingward_edge_pipelines', 'Active pipelines that run', watched.active);
      gauge('thingward_edge_pipeline_things', 'Things of which pipelines keep something', watched.things);
      gauge('thingward_edge_pipeline_evicted', 'Things that pipelines forgot to make room', watched.evicted);
      gauge('thingward_edge_pipeline_journal_octets', 'Octets in the journal', watched.journal);
      gauge('thingward_edge_pipeline_queued_octets', 'Octets of the journal that wait to be done', watched.queued);
    },
  };
}
