"""The part of MLflow's GraphQL schema that its browser interface asks for, resolved from the REST answers.

A leaf: it loads graphql-core. Names and types are those of MLflow 3.11.1, so that its queries are valid. Every root
field is one REST endpoint with the same message, in camel case; what an answer leaves out reads as protobuf's default.
A NaN is null, for JSON numbers have none. What only Databricks fills (the state of deployment jobs) is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    IntValueNode,
    StringValueNode,
    build_schema,
    get_named_type,
)

_SDL: Final = """
directive @component(name: String!) on QUERY | MUTATION
scalar LongString

type Query {
  test(inputString: String): Test
  mlflowGetExperiment(input: MlflowGetExperimentInput): MlflowGetExperimentResponse
  mlflowGetMetricHistoryBulkInterval(
    input: MlflowGetMetricHistoryBulkIntervalInput): MlflowGetMetricHistoryBulkIntervalResponse
  mlflowGetRun(input: MlflowGetRunInput): MlflowGetRunResponse
  mlflowListArtifacts(input: MlflowListArtifactsInput): MlflowListArtifactsResponse
  mlflowSearchModelVersions(input: MlflowSearchModelVersionsInput): MlflowSearchModelVersionsResponse
  mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
}
type Mutation {
  testMutation(inputString: String): TestMutation
  mlflowSearchDatasets(input: MlflowSearchDatasetsInput): MlflowSearchDatasetsResponse
  mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
}
type Test { output: String }
type TestMutation { output: String }

input MlflowGetExperimentInput { experimentId: String }
input MlflowGetRunInput { runId: String, runUuid: String }
input MlflowListArtifactsInput { runId: String, runUuid: String, path: String, pageToken: String }
input MlflowSearchDatasetsInput { experimentIds: [String] }
input MlflowSearchModelVersionsInput { filter: String, maxResults: LongString, orderBy: [String], pageToken: String }
input MlflowGetMetricHistoryBulkIntervalInput {
  runIds: [String], metricKey: String, startStep: Int, endStep: Int, maxResults: Int }
input MlflowSearchRunsInput {
  experimentIds: [String], filter: String, runViewType: MlflowViewType, maxResults: Int, orderBy: [String]
  pageToken: String }
enum MlflowViewType { ACTIVE_ONLY DELETED_ONLY ALL }

type ApiError { code: String, message: String, helpUrl: String, traceId: String, errorDetails: [ErrorDetail] }
type ErrorDetail { field: String, message: String }

type MlflowGetExperimentResponse { experiment: MlflowExperiment, apiError: ApiError }
type MlflowExperiment {
  experimentId: String, name: String, artifactLocation: String, lifecycleStage: String
  lastUpdateTime: LongString, creationTime: LongString, tags: [MlflowExperimentTag!] }
type MlflowExperimentTag { key: String, value: String }

type MlflowGetRunResponse { run: MlflowRunExtension, apiError: ApiError }
type MlflowSearchRunsResponse { runs: [MlflowRunExtension!], nextPageToken: String, apiError: ApiError }
type MlflowRunExtension {
  info: MlflowRunInfo, data: MlflowRunData, inputs: MlflowRunInputs, outputs: MlflowRunOutputs
  experiment: MlflowExperiment, modelVersions: [MlflowModelVersion!] }
type MlflowRunInfo {
  runId: String, runUuid: String, runName: String, experimentId: String, userId: String, status: MlflowRunStatus
  startTime: LongString, endTime: LongString, artifactUri: String, lifecycleStage: String }
enum MlflowRunStatus { RUNNING SCHEDULED FINISHED FAILED KILLED }
type MlflowRunData { metrics: [MlflowMetricExtension!], params: [MlflowParam!], tags: [MlflowRunTag!] }
type MlflowMetricExtension {
  key: String, value: Float, timestamp: LongString, step: LongString
  datasetName: String, datasetDigest: String, modelId: String, runId: String }
type MlflowParam { key: String, value: String }
type MlflowRunTag { key: String, value: String }
type MlflowRunInputs { datasetInputs: [MlflowDatasetInput!], modelInputs: [MlflowModelInput!] }
type MlflowRunOutputs { modelOutputs: [MlflowModelOutput!] }
type MlflowDatasetInput { tags: [MlflowInputTag!], dataset: MlflowDataset }
type MlflowInputTag { key: String, value: String }
type MlflowDataset {
  name: String, digest: String, sourceType: String, source: String, schema: String, profile: String }
type MlflowModelInput { modelId: String }
type MlflowModelOutput { modelId: String, step: LongString }

type MlflowGetMetricHistoryBulkIntervalResponse { metrics: [MlflowMetricWithRunId!], apiError: ApiError }
type MlflowMetricWithRunId { key: String, value: Float, timestamp: LongString, step: LongString, runId: String }

type MlflowListArtifactsResponse {
  rootUri: String, files: [MlflowFileInfo!], nextPageToken: String, apiError: ApiError }
type MlflowFileInfo { path: String, isDir: Boolean, fileSize: LongString }

type MlflowSearchDatasetsResponse { datasetSummaries: [MlflowDatasetSummary!], apiError: ApiError }
type MlflowDatasetSummary { experimentId: String, name: String, digest: String, context: String }

type MlflowSearchModelVersionsResponse {
  modelVersions: [MlflowModelVersion!], nextPageToken: String, apiError: ApiError }
type MlflowModelVersion {
  name: String, version: String, creationTimestamp: LongString, lastUpdatedTimestamp: LongString, userId: String
  currentStage: String, description: String, source: String, runId: String, status: MlflowModelVersionStatus
  statusMessage: String, tags: [MlflowModelVersionTag!], runLink: String, aliases: [String], modelId: String
  modelParams: [MlflowModelParam!], modelMetrics: [MlflowModelMetric!]
  deploymentJobState: MlflowModelVersionDeploymentJobState }
enum MlflowModelVersionStatus { PENDING_REGISTRATION FAILED_REGISTRATION READY }
type MlflowModelVersionTag { key: String, value: String }
type MlflowModelParam { name: String, value: String }
type MlflowModelMetric {
  key: String, value: Float, timestamp: LongString, step: LongString
  datasetName: String, datasetDigest: String, modelId: String, runId: String }
type MlflowModelVersionDeploymentJobState {
  jobId: String, runId: String, jobState: MlflowDeploymentJobConnectionState
  runState: MlflowModelVersionDeploymentJobStateDeploymentJobRunState, currentTaskName: String }
enum MlflowDeploymentJobConnectionState {
  DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED NOT_SET_UP CONNECTED NOT_FOUND REQUIRED_PARAMETERS_CHANGED }
enum MlflowModelVersionDeploymentJobStateDeploymentJobRunState {
  DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED NO_VALID_DEPLOYMENT_JOB_FOUND RUNNING SUCCEEDED FAILED PENDING APPROVAL }
"""

_DEFAULTS: Final = {"String": "", "LongString": 0, "Float": 0.0, "Boolean": False}
_NEVER_FILLED: Final = {"MlflowModelVersionDeploymentJobState", "ApiError"}


def build(roots: dict[str, Callable[..., Any]]) -> GraphQLSchema:
    """The schema, its fields filled from the answers of `roots`.

    Args:
        roots: a resolver for fields that ask for something, by field name; the others read what was answered.
    """
    schema = build_schema(_SDL)
    long = schema.type_map["LongString"]
    assert isinstance(long, GraphQLScalarType)  # noqa: S101 - the text above says so
    # An instance's attribute stands before the method that parses literals of other scalars.
    long.serialize, long.parse_value, long.parse_literal = str, int, _literal  # type: ignore[method-assign, assignment]
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                field.resolve = roots.get(name) or _reader(name, field)
    return schema


def snake(name: str) -> str:
    """The field's name in MLflow's messages."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _literal(node: Any, variables: Any = None) -> int:
    if isinstance(node, IntValueNode | StringValueNode):
        return int(node.value)
    raise ValueError("LongString cannot represent a value that is not an integer.")


def _reader(name: str, field: GraphQLField) -> Callable[..., Any]:
    kind, key, listed = get_named_type(field.type), snake(name), isinstance(field.type, GraphQLList)
    default: Any = [] if listed else _DEFAULTS.get(kind.name)
    if isinstance(kind, GraphQLObjectType) and not listed and kind.name not in _NEVER_FILLED:
        default = {}
    if kind.name == "Float":
        return lambda source, _info: value if isinstance(value := source.get(key, 0.0), int | float) else None
    return lambda source, _info: source.get(key, default)
