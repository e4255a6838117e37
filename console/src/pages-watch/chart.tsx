import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/** A line of a chart: a value for each time, and the custom property that is its colour. */
export type Line = { title: string; colour: string; values: number[] };

type Props = { times: number[]; lines: Line[]; label: string };

const height = 180;

/** Lines over time. Whoever does not see them has `label`, and the table beside the chart. */
export function Chart({ times, lines, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = place.current!;
    let plot: uPlot | undefined;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(optionsFor(at, lines), [times, ...lines.map(({ values }) => values)], at);
    };
    draw();
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    const resized = new ResizeObserver(() => plot?.setSize({ width: at.clientWidth, height }));
    resized.observe(at);
    return () => {
      scheme.removeEventListener('change', draw);
      resized.disconnect();
      plot?.destroy();
    };
  }, [times, lines]);
  return <div className="chart" ref={place} role="img" aria-label={label} />;
}

function optionsFor(at: HTMLElement, lines: Line[]): uPlot.Options {
  const style = getComputedStyle(at);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--faint'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
    font: '12px system-ui, sans-serif',
  };
  return {
    width: at.clientWidth,
    height,
    legend: { live: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
    series: [{}, ...lines.map(({ title, colour: name }) => ({ label: title, stroke: colour(name), width: 2 }))],
    axes: [axis, { ...axis, size: 48 }],
  };
}
