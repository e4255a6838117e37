import { ROOT_CONTEXT, SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { App } from './route.js';

/** Spans of requests, sent to a collector. */
export type Tracing = {
  /** Has every request of a server traced. */
  observe(app: App): void;
  /** Sends what waits, for a moment, and ends. */
  stop(): Promise<void>;
};

const stopMs = 2000;

const headerOf = {
  keys: (headers: Record<string, unknown>): string[] => Object.keys(headers),
  get(headers: Record<string, unknown>, name: string): string | undefined {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  },
};

/**
 * Opens tracing by the standard variables of OpenTelemetry. A span has the route of its request, and never its path or query: names of
 * things and tokens stand there. A collector that is away costs nothing but the spans, of which at most 2,048 wait.
 */
export function openTracing(version: string): Tracing {
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'thingward', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('thingward', version);
  const propagator = new W3CTraceContextPropagator();
  const spans = new WeakMap<object, Span>();

  return {
    observe(app) {
      app.addHook('onRequest', (request, _, done) => {
        const { method, headers, id, routeOptions, protocol } = request;
        const route = routeOptions.url ?? 'unknown';
        const attributes = {
          'http.request.method': method,
          'http.route': route,
          'url.scheme': protocol,
          'thingward.request_id': id,
        };
        const parent = propagator.extract(ROOT_CONTEXT, headers, headerOf);
        spans.set(request, tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent));
        done();
      });
      const end = (request: object, status: number | undefined): void => {
        const span = spans.get(request);
        if (!span) return;
        spans.delete(request);
        if (status !== undefined) span.setAttribute('http.response.status_code', status);
        if (status === undefined || status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
      app.addHook('onResponse', (request, reply, done) => {
        end(request, reply.statusCode);
        done();
      });
      app.addHook('onRequestAbort', (request, done) => {
        end(request, undefined);
        done();
      });
    },

    async stop() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, stopMs)));
      await Promise.race([provider.shutdown().catch(() => {}), late]).finally(() => clearTimeout(timer));
    },
  };
}
