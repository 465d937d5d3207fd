// Checks objects of custom resources against the schemas of their projects: JSON array on standard input, faults on
// standard output, one per line.
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";

const models = new Map([["HTTPRoute", HTTPRoute], ["PodMonitor", PodMonitor], ["ScaledObject", ScaledObject]]);

let text = "";
for await (const part of process.stdin) text += part;
for (const object of JSON.parse(text)) {
  const name = `${object.kind} ${object.metadata.name}`;
  const Model = models.get(object.kind);
  if (!Model) {
    console.log(`${name}: no schema`);
    continue;
  }
  try {
    new Model(object).validate();
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}
