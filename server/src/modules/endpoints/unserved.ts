// What Azure's endpoints and deployments have and ours do not: isolation that was asked for and would not be there is refused;
// what only tunes is kept and shown.

import { Type } from '@strongroom/contract/schema';
import type { Unserved } from '#resources';

export const unservedOfEndpoints: Unserved = {
  refused: {
    publicNetworkAccess: {
      always: 'Enabled',
      because: 'Network switches of an endpoint are not served: all endpoints are reached where the server listens.',
      instead:
        'Leave publicNetworkAccess out, and restrict who reaches the server, with its address or a firewall in front of it.',
    },
    compute: {
      because: 'Endpoints run on the machines of this installation and on no cluster of Kubernetes.',
      instead: 'Leave compute out.',
    },
    mirrorTraffic: {
      always: {},
      because: 'Requests are not sent to a second deployment as copies.',
      instead: 'Leave mirrorTraffic out, and give the deployment a share of the traffic.',
    },
  },
  kept: {},
  ignored: { scoringUri: 'Told by the server.', swaggerUri: 'Told by the server.' },
};

const seconds = Type.Optional(Type.Union([Type.Null(), Type.String({ maxLength: 32 })]));
const count = Type.Optional(Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 1_000_000 })]));
const text = Type.Optional(Type.Union([Type.Null(), Type.String({ maxLength: 256 })]));
const probe = {
  schema: Type.Object({
    failureThreshold: count,
    successThreshold: count,
    initialDelay: seconds,
    period: seconds,
    timeout: seconds,
    path: text,
    port: count,
    scheme: text,
    httpMethod: text,
  }),
  because: 'A process is ready when init() has returned, and is started again when it ends.',
};

export const unservedOfDeployments: Unserved = {
  refused: {
    egressPublicNetworkAccess: {
      always: 'Disabled',
      because: 'What scores has no network.',
      instead:
        "Leave egressPublicNetworkAccess out, or send 'Disabled', and put what the script needs into its code or model.",
    },
    privateNetworkConnection: {
      harmless: [false],
      because: 'What scores has no network.',
      instead: 'Leave privateNetworkConnection out.',
    },
    modelMountPath: {
      always: null,
      because: 'A model is where AZUREML_MODEL_DIR says.',
      instead: 'Leave modelMountPath out, and read the variable.',
    },
    dataCollector: {
      because: 'What is sent to a model and what it answers is not collected.',
      instead: 'Leave dataCollector out, and log what is needed in the script.',
    },
    containerResourceRequirements: {
      because: 'Every scoring process has the same limits.',
      instead: 'Leave containerResourceRequirements out, and send sku.capacity for more processes.',
    },
  },
  kept: {
    appInsightsEnabled: {
      schema: Type.Boolean(),
      because:
        'Every request is recorded in the workspace whatever it says, and nothing is sent to Application Insights.',
    },
    instanceType: {
      because: 'Scoring processes run on the machines of this installation; how many is said by sku.capacity.',
    },
    startupProbe: probe,
    livenessProbe: probe,
    readinessProbe: probe,
  },
  ignored: {},
};
