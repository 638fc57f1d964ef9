/** Ways to use a version, as text to copy. */
export type Snippet = { key: string; title: string; language: string; text: string };

export type Used = {
  model: string;
  version: number;
  /** Aliases and environments that point to it. */
  pointers: readonly string[];
  server: string;
  /** Deployments that answer with it, each with the address of a gateway if one is known. */
  deployments: readonly { name: string; gateway: string | undefined }[];
  /** A request that fits its signature. */
  example: unknown;
};

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const sql = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** What one types to load, ask or serve a version. */
export function snippets({ model, version, pointers, server, deployments, example }: Used): Snippet[] {
  const uri = `models:/${model}/${version}`;
  const py = JSON.stringify(uri);
  const [pointer] = pointers;
  const moving =
    pointer === undefined ? "" : `\n# or whatever the pointer means: ${JSON.stringify(`models:/${model}@${pointer}`)}`;
  const body = JSON.stringify(example ?? { inputs: [] });
  const found: Snippet[] = [
    {
      key: "modelyard",
      title: "Modelyard",
      language: "python",
      text: `import modelyard

modelyard.set_tracking_uri(${JSON.stringify(server)})
model = modelyard.pyfunc.load_model(${py})${moving}
model.predict(data)`,
    },
    {
      key: "mlflow",
      title: "Stock mlflow client",
      language: "python",
      text: `import mlflow

mlflow.set_tracking_uri(${JSON.stringify(server)})
model = mlflow.pyfunc.load_model(${py})
model.predict(data)`,
    },
    {
      key: "serve",
      title: "Serve it here",
      language: "shell",
      text: `export MODELYARD_TRACKING_URI=${server}
modelyard serve ${quoted(uri)} --port 8080
curl http://127.0.0.1:8080/invocations -H 'content-type: application/json' \\
  -d ${quoted(body)}`,
    },
    {
      key: "pull",
      title: "Pull its files",
      language: "shell",
      text: `export MODELYARD_TRACKING_URI=${server}
modelyard models pull --filter ${quoted(`name = ${sql(model)} AND version_number = ${version}`)} --versions --to ./models
modelyard models verify ${quoted(uri)}`,
    },
  ];
  for (const each of deployments)
    found.push({
      key: `gateway ${each.name}`,
      title: `Ask the deployment ${each.name}`,
      language: "shell",
      text: `curl ${each.gateway ?? "http://<gateway>"}/models/${encodeURIComponent(each.name)}/invocations \\
  -H 'content-type: application/json' \\
  -d ${quoted(body)}`,
    });
  return found;
}
