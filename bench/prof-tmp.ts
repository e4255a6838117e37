import { benchProvisioning } from '/work/main/bench/provisioning.js';
const r = await benchProvisioning();
console.log(r.map((x:any)=>x.what.slice(0,40)+' '+Math.round(x.perSecond)+' '+(x.ratio??'')).join('\n'));
