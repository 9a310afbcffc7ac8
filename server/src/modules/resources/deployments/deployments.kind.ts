// `Microsoft.Resources/deployments`, for templates that kinds know. Templates are not evaluated. What a known one says is known, so
// its parameters are read as the resource that they mean, and that is made by the same procedure as with a PUT of its own, by the
// same caller and under the same rules. Any other template is refused.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { templateDeployment } from '@strongroom/contract/templates';
import type { Grant, Grants } from '#kernel/authority/grant';
import { activity } from '#kernel/http/route';
import { readId } from '../catalog.service.ts';
import type { KnownTemplate, Properties, ResourceKind, Resources, TemplateParameters } from '../kind.types.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { everythingServed } from '../unserved.ts';

export const deploymentType = 'Microsoft.Resources/deployments';

const record = (value: unknown): TemplateParameters =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as TemplateParameters) : {};

/** Types of the template's own resources, as far as it has any. */
function typesIn(template: unknown): readonly string[] {
  const { resources } = record(template);
  const listed = Array.isArray(resources) ? resources : [];
  return [...new Set(listed.slice(0, 100).map((resource) => String(record(resource)['type']).toLowerCase()))];
}

/** @param templates that kinds know: the first that is meant is taken */
export function createDeploymentKind(deps: {
  readonly templates: readonly KnownTemplate[];
  readonly resources: Pick<Resources, 'put'>;
  readonly grants: Pick<Grants, 'also'>;
}): ResourceKind {
  const { templates, resources, grants } = deps;
  const known = (types: readonly string[], parameters: TemplateParameters) =>
    templates.find((template) => template.isMeant(types, parameters));
  const typesOf = (properties: Properties) => properties['templateTypes'] as readonly string[]; // written by normalise
  const notServed = () => resourcesFailures.TemplateNotServed(templates.map(({ title }) => title));

  async function make(grant: Grant, id: string, properties: Properties): Promise<Properties> {
    const parameters = record(properties['parameters']);
    const template = known(typesOf(properties), parameters);
    if (template === undefined) throw notServed();
    const meant = template.resourceIn(parameters, id);
    const write = grants.also(grant, actionsOfType(readId(meant.id).type).write, meant.id);
    const made = await resources.put(write, meant.id, meant.draft);
    return { ...properties, outputResource: made.id };
  }

  return {
    type: deploymentType,
    title: 'template deployment',
    namePattern: /^[\w().-]{1,64}$/,
    nameRule: 'it has 1 to 64 letters, digits, underscores, hyphens, parentheses and periods',
    properties: templateDeployment,
    unserved: everythingServed,
    location: 'none',
    removedStatus: 204,
    // A template is not kept, and of its parameters only those that mean something: others may be secrets.
    normalise: ({ properties }) => {
      const parameters = record(properties['parameters']);
      const templateTypes = typesIn(properties['template']);
      return {
        mode: 'Incremental',
        templateTypes,
        parameters: known(templateTypes, parameters)?.kept(parameters) ?? {},
      };
    },
    async validate(_grant, { properties }) {
      const parameters = record(properties['parameters']);
      const template = known(typesOf(properties), parameters);
      if (template === undefined) throw notServed();
      template.check(parameters);
    },
    create: (grant, { id, properties }) => make(grant, id, properties),
    update: (grant, { id, properties }) => make(grant, id, properties),
    view: ({ properties, systemData }) => ({
      mode: properties['mode'],
      duration: 'PT0S',
      timestamp: systemData.lastModifiedAt,
      parameters: {},
      outputResources: properties['outputResource'] === undefined ? [] : [{ id: properties['outputResource'] }],
    }),
    audit: { write: activity(...templates.flatMap(({ recorded }) => recorded)) },
  };
}
