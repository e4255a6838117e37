import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { opaProgram, requirePeer } from '../peers.js';
import { rego, type Question } from '../servers.js';

/** Decides a question in this process. */
export type Engine = (question: Question) => boolean;

type Cedar = {
  preparsePolicySet(id: string, policies: { staticPolicies: Record<string, string> }): { type: string };
  statefulIsAuthorized(call: object): { type: string; response?: { decision: string } };
};

/**
 * Cedar, its one policy parsed beforehand. Its patterns are fixed texts, so that the caller splits the topic: what Cedar gets to
 * compare is less than what the others read.
 */
export function cedarEngine(): Engine {
  const { preparsePolicySet, statefulIsAuthorized } = requirePeer<Cedar>('@cedar-policy/cedar-wasm/nodejs');
  const id = 'decider';
  const policy = `permit(principal, action == Action::"publish", resource)
    when { context.account == principal.account && context.thing == principal.name && context.kind == "telemetry" };`;
  if (preparsePolicySet(id, { staticPolicies: { policy } }).type !== 'success')
    throw new Error('Cedar refused the policy');
  return ({ thing, topic }) => {
    const principal = { type: 'Thing', id: thing };
    const [account, owner, kind] = topic.split('/');
    const answer = statefulIsAuthorized({
      principal,
      action: { type: 'Action', id: 'publish' },
      resource: { type: 'Topic', id: 'any' },
      context: { account, thing: owner, kind },
      preparsedPolicySetId: id,
      entities: [{ uid: principal, attrs: { account: 'default', name: thing }, parents: [] }],
      validateRequest: false,
    });
    return answer.response?.decision === 'allow';
  };
}

type OpaWasm = { loadPolicy(wasm: Buffer): Promise<{ evaluate(input: object): { result: boolean }[] }> };

/** OPA, its policy compiled to WebAssembly. */
export async function opaEngine(folder: string): Promise<Engine> {
  const { loadPolicy } = requirePeer<OpaWasm>('@open-policy-agent/opa-wasm');
  const [source, bundle] = [join(folder, 'decider.rego'), join(folder, 'bundle.tar.gz')];
  writeFileSync(source, rego);
  execFileSync(opaProgram, ['build', '-t', 'wasm', '-e', 'thingward/allow', '-o', bundle, source]);
  execFileSync('tar', ['-xzf', bundle, '-C', folder, '/policy.wasm']);
  const policy = await loadPolicy(readFileSync(join(folder, 'policy.wasm')));
  return ({ thing, topic }) =>
    policy.evaluate({ account: 'default', thing, action: 'publish', topic })[0]!.result === true;
}
