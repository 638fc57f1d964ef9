"""MLflow in production: models found by tag over pages, downloaded, one moved to another stage."""

import tempfile
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

client = MlflowClient()
with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
    for number in range(12):
        path = Path(folder) / f"model-{number}.bin"
        path.write_bytes(bytes([number]) * 1000)
        mlflow.log_artifact(str(path), "models")

for number in range(12):
    name = f"intent-{number:02}"
    client.create_registered_model(name, tags={"model_type": "intent" if number % 2 else "topic"})
    client.create_model_version(
        name,
        f"{run.info.artifact_uri}/models/model-{number}.bin",
        run_id=run.info.run_id,
        tags={"domain": f"d{number}"},
    )

names, token = [], None
while True:
    page = client.search_registered_models("tags.model_type='intent'", max_results=4, page_token=token)
    names += [model.name for model in page]
    token = page.token
    if not token:
        break
assert names == [f"intent-{number:02}" for number in range(1, 12, 2)], names

for name in names:
    (version,) = client.get_latest_versions(name, stages=["None"])
    uri = client.get_model_version_download_uri(name, version.version)
    local = mlflow.artifacts.download_artifacts(artifact_uri=uri)
    assert Path(local).read_bytes() == bytes([int(name[-2:])]) * 1000, name
client.transition_model_version_stage(names[0], "1", "Production")
assert client.get_model_version(names[0], "1").current_stage == "Production"
print("done")
