"""Management of models in productive software: the wine script, from training to Production."""

import mlflow
import mlflow.sklearn
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

data, target = load_wine(as_frame=True, return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(data, target, random_state=0)

mlflow.set_experiment("/Users/someone@example.com/WineClassifier")
scores = {}
for trees in (5, 20):
    with mlflow.start_run(run_name=f"forest of {trees}") as run:
        model = RandomForestClassifier(n_estimators=trees, random_state=0).fit(train_x, train_y)
        score = f1_score(test_y, model.predict(test_x), average="macro")
        mlflow.log_param("n_estimators", trees)
        mlflow.log_metric("f1", score)
        mlflow.set_tag("code_version", "1.0")
        mlflow.sklearn.log_model(model, "model")
        scores[run.info.run_id] = score

best = max(scores, key=scores.get)
version = mlflow.register_model(f"runs:/{best}/model", "winetest")
client = MlflowClient()
client.transition_model_version_stage("winetest", version.version, "Staging")
client.transition_model_version_stage("winetest", version.version, "Production")
client.set_registered_model_alias("winetest", "champion", version.version)
client.set_model_version_tag("winetest", version.version, "code_version", "1.0")

served = mlflow.sklearn.load_model("models:/winetest/Production")
assert list(served.predict(test_x)) == list(mlflow.pyfunc.load_model("models:/winetest@champion").predict(test_x))
found = mlflow.search_runs(experiment_names=["/Users/someone@example.com/WineClassifier"], order_by=["metrics.f1 DESC"])
assert found.loc[0, "run_id"] == best, found
assert found.loc[0, "metrics.f1"] == scores[best]
stages = [one.current_stage for one in client.get_latest_versions("winetest", stages=["Production"])]
assert stages == ["Production"], stages
print("done")
