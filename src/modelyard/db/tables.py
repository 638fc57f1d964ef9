"""All tables, in one MetaData, for SQLite and PostgreSQL alike.

Conventions: integer keys inside, the 32-hex `uuid` outside; times are int milliseconds since the epoch; booleans are
0 or 1. Statements run on the raw driver connection, so only int, str, float, bytes and NULL are stored.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids (and automatic numbers) only to a column spelt INTEGER.
BigInt = BigInteger().with_variant(Integer(), "sqlite")


def _number(name: str, *, required: bool = True) -> Column[int]:
    return Column(name, BigInt, nullable=not required)


def _text(name: str, *, required: bool = True) -> Column[str]:
    return Column(name, Text, nullable=not required)


def _key(name: str) -> Column[int]:
    return Column(name, BigInt, primary_key=True, autoincrement=False)


def _text_key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _serial() -> Column[int]:
    return Column("id", BigInt, primary_key=True, autoincrement=True)


# ------------------------------------------------------------------------------------ tracking

# Metric, param and run-tag keys, each spelt once.
name_key = Table("name_key", metadata, _serial(), Column("name", Text, nullable=False, unique=True))

experiment = Table(
    "experiment",
    metadata,
    _serial(),
    Column("name", Text, nullable=False, unique=True),
    _text("artifact_location"),
    _text("lifecycle"),
    _number("created_ms"),
    _number("updated_ms"),
    _number("deleted_ms", required=False),
    _text("created_by"),
    sqlite_autoincrement=True,
)
experiment_tag = Table(
    "experiment_tag",
    metadata,
    _key("experiment_id"),
    _text_key("key"),
    _text("value"),
    sqlite_with_rowid=False,
)

run = Table(
    "run",
    metadata,
    _serial(),
    Column("uuid", Text, nullable=False, unique=True),
    _number("experiment_id"),
    _text("name"),
    _text("status"),
    _number("start_ms", required=False),
    _number("end_ms", required=False),
    _text("lifecycle"),
    _number("deleted_ms", required=False),
    _text("user_id"),
    _text("artifact_uri"),
    _text("created_by"),
    # Grows with every change of anything that the run's document shows.
    _number("rev"),
    Index(None, "experiment_id", "start_ms"),
    sqlite_autoincrement=True,
)
param = Table("param", metadata, _key("run_id"), _key("key_id"), _text("value"), sqlite_with_rowid=False)
run_tag = Table("run_tag", metadata, _key("run_id"), _key("key_id"), _text("value"), sqlite_with_rowid=False)
# The latest point of each series (greatest step, then time, then value) and its extremes. NaN is value 0, is_nan 1.
metric = Table(
    "metric",
    metadata,
    _key("run_id"),
    _key("key_id"),
    _number("step"),
    _number("timestamp"),
    Column("value", Float(53), nullable=False),
    _number("is_nan"),
    Column("min_value", Float(53)),
    Column("max_value", Float(53)),
    sqlite_with_rowid=False,
)
# The run as its readers want it, rendered once and valid while `rev` equals the run's.
run_document = Table(
    "run_document", metadata, _key("run_id"), _number("rev"), Column("body", LargeBinary, nullable=False)
)

# Points as they came, packed, until compaction moves them to chunks (see series.py).
metric_fresh = Table(
    "metric_fresh",
    metadata,
    _serial(),
    _number("run_id"),
    Column("body", LargeBinary, nullable=False),
    Index(None, "run_id"),
    sqlite_autoincrement=True,
)
# key_id 0: a chunk that holds several short series of the run.
metric_chunk = Table(
    "metric_chunk",
    metadata,
    _serial(),
    _number("run_id"),
    _number("key_id"),
    _number("points"),
    _number("first_ms"),
    _number("last_ms"),
    _number("min_step"),
    _number("max_step"),
    Column("min_value", Float(53)),
    Column("max_value", Float(53)),
    Column("body", LargeBinary, nullable=False),
    Index(None, "run_id", "key_id"),
)
# PostgreSQL only: which runs a transaction changed, so that every server can refresh what it holds in memory.
change_log = Table(
    "change_log",
    metadata,
    _serial(),
    _number("txid"),
    _number("at_ms"),
    Column("runs", LargeBinary, nullable=False),
    Index(None, "txid"),
)

dataset = Table(
    "dataset",
    metadata,
    _serial(),
    _number("experiment_id"),
    _text("name"),
    _text("digest"),
    _text("source_type"),
    _text("source"),
    _text("schema", required=False),
    _text("profile", required=False),
    UniqueConstraint("experiment_id", "name", "digest"),
)
run_input = Table(
    "run_input",
    metadata,
    _serial(),
    _number("run_id"),
    _number("dataset_id"),
    UniqueConstraint("run_id", "dataset_id"),
    Index(None, "dataset_id"),
)
run_input_tag = Table(
    "run_input_tag", metadata, _key("input_id"), _text_key("key"), _text("value"), sqlite_with_rowid=False
)

logged_model = Table(
    "logged_model",
    metadata,
    _text_key("id"),
    _number("experiment_id"),
    _text("name"),
    _text("artifact_uri"),
    _number("created_ms"),
    _number("updated_ms"),
    _number("deleted_ms", required=False),
    _text("lifecycle"),
    _text("status"),
    _text("status_message", required=False),
    _text("model_type", required=False),
    _text("source_run", required=False),
    _text("created_by"),
    Index(None, "experiment_id", "created_ms"),
)
logged_model_param = Table(
    "logged_model_param", metadata, _text_key("model_id"), _text_key("key"), _text("value"), sqlite_with_rowid=False
)
logged_model_tag = Table(
    "logged_model_tag", metadata, _text_key("model_id"), _text_key("key"), _text("value"), sqlite_with_rowid=False
)
logged_model_metric = Table(
    "logged_model_metric",
    metadata,
    _text_key("model_id"),
    _text_key("key"),
    _key("timestamp"),
    _key("step"),
    _key("run_id"),
    Column("value", Float(53), nullable=False),
    _number("is_nan"),
    _text("dataset_name", required=False),
    _text("dataset_digest", required=False),
    sqlite_with_rowid=False,
)
# Which runs read (`input`) or made (`output`) a logged model.
run_model = Table(
    "run_model",
    metadata,
    _key("run_id"),
    _text_key("model_id"),
    _text_key("direction"),
    _number("step"),
    Index(None, "model_id"),
    sqlite_with_rowid=False,
)

# ------------------------------------------------------------------------------------ registry

# Ordered by byte, not by language: the same pages on every database.
_NAME = Text().with_variant(Text(collation="C"), "postgresql")

registered_model = Table(
    "registered_model",
    metadata,
    _serial(),
    Column("name", _NAME, nullable=False, unique=True),
    _text("description", required=False),
    _number("created_ms"),
    _number("updated_ms"),
    _text("created_by"),
    # The number that the next version gets; numbers are never given twice.
    _number("next_version"),
    # The rows of registered_model_tag again as one JSON object (NULL: none), so that reading a model is one row.
    _text("tags", required=False),
    sqlite_autoincrement=True,
)
registered_model_tag = Table(
    "registered_model_tag",
    metadata,
    _key("model_id"),
    _text_key("key"),
    _text("value"),
    sqlite_with_rowid=False,
)
model_version = Table(
    "model_version",
    metadata,
    _key("model_id"),
    _key("version"),
    # The user's own version, as written and as PEP 440 compares it (`1.0-rc1` and `1rc1`).
    _text("label", required=False),
    _text("label_key", required=False),
    _text("description", required=False),
    _text("user_id"),
    _number("created_ms"),
    _number("updated_ms"),
    _text("source"),
    _text("storage_location", required=False),
    _text("run_uuid", required=False),
    _text("run_link", required=False),
    _text("logged_model_id", required=False),
    _text("status"),
    _text("status_message", required=False),
    _text("stage"),
    _text("created_by"),
    # As in registered_model.
    _text("tags", required=False),
    # The newest version of each stage, without reading the others.
    Index(None, "model_id", "stage", "version"),
    sqlite_with_rowid=False,
)
# Only where there is something: an index entry that says NULL is a page more to write for each version.
_LABELLED = model_version.c.label_key.is_not(None)
_OF_RUN = model_version.c.run_uuid.is_not(None)
Index(
    "uq_model_version_model_id_label_key",
    model_version.c.model_id,
    model_version.c.label_key,
    unique=True,
    sqlite_where=_LABELLED,
    postgresql_where=_LABELLED,
)
Index("ix_model_version_run_uuid", model_version.c.run_uuid, sqlite_where=_OF_RUN, postgresql_where=_OF_RUN)
model_version_tag = Table(
    "model_version_tag",
    metadata,
    _key("model_id"),
    _key("version"),
    _text_key("key"),
    _text("value"),
    sqlite_with_rowid=False,
)
# An alias that has an environment is that environment's pointer (docs/decisions/0005).
model_alias = Table(
    "model_alias",
    metadata,
    _key("model_id"),
    _text_key("alias"),
    _number("version"),
    _text("environment", required=False),
    _number("moved_ms"),
    UniqueConstraint("model_id", "environment"),
    sqlite_with_rowid=False,
)
environment = Table("environment", metadata, _text_key("name"), _number("position"), _text("stage", required=False))
# Append-only: every change of the registry. model_id 0: a change of the environments themselves.
registry_event = Table(
    "registry_event",
    metadata,
    _serial(),
    _number("at_ms"),
    _text("principal"),
    _number("model_id"),
    _text("model_name"),
    _number("version", required=False),
    _text("kind"),
    _text("subject", required=False),
    _text("old", required=False),
    _text("new", required=False),
    _text("reason", required=False),
    Index(None, "model_id", "id"),
)
# Which model once had a name that is no longer its name.
_GONE = registry_event.c.kind.in_(["model.renamed", "model.deleted"])
Index("ix_registry_event_gone", registry_event.c.model_name, sqlite_where=_GONE, postgresql_where=_GONE)

# ------------------------------------------------------------------------------------ policies

# What holds for an environment; of slot '' for all models, otherwise for a model (or slot) of that name.
policy = Table(
    "policy",
    metadata,
    _text_key("environment"),
    _text_key("slot"),
    _text("document"),
    _number("updated_ms"),
    _text("principal"),
    sqlite_with_rowid=False,
)
# What a rule chose last: the version that a slot of an environment stands for.
selection = Table(
    "selection",
    metadata,
    _text_key("environment"),
    _text_key("slot"),
    _text("model"),
    _number("version"),
    _text("reason"),
    _number("at_ms"),
    sqlite_with_rowid=False,
)
# Promotions, with what they replaced, so that they can be undone.
promotion = Table(
    "promotion",
    metadata,
    _serial(),
    _text("environment"),
    _number("model_id"),
    _text("document"),
    _number("at_ms"),
    _text("principal"),
    _number("undone_ms", required=False),
)
# Metrics of versions on fixed datasets.
evaluation = Table(
    "evaluation",
    metadata,
    _key("model_id"),
    _key("version"),
    _text_key("dataset_digest"),
    _text_key("metric"),
    _text("dataset_name"),
    Column("value", Float, nullable=False),
    _number("at_ms"),
    _text("principal"),
    sqlite_with_rowid=False,
)

# ------------------------------------------------------------------------------------ deployments

deployment = Table(
    "deployment",
    metadata,
    _serial(),
    _text("name"),
    _text("environment"),
    _text("spec"),
    _text("state"),
    _number("created_ms"),
    _number("updated_ms"),
    _number("deleted_ms", required=False),
    sqlite_autoincrement=True,
)
_ALIVE = deployment.c.deleted_ms.is_(None)
Index("uq_deployment_name", deployment.c.name, unique=True, sqlite_where=_ALIVE, postgresql_where=_ALIVE)
revision = Table(
    "revision",
    metadata,
    _key("deployment_id"),
    _key("number"),
    _text("spec"),
    _text("target"),
    _number("created_ms"),
    _text("principal"),
    _text("reason"),
    sqlite_with_rowid=False,
)
rollout = Table(
    "rollout",
    metadata,
    _serial(),
    _number("deployment_id"),
    _text("status"),
    _text("state"),
    _number("began_ms"),
    _number("ended_ms", required=False),
    Index(None, "deployment_id", "id"),
)
# Append-only: what happened to a deployment.
deployment_event = Table(
    "deployment_event",
    metadata,
    _serial(),
    _number("deployment_id"),
    _number("rollout_id", required=False),
    _number("at_ms"),
    _text("principal"),
    _text("kind"),
    _text("told"),
    _text("document", required=False),
    Index(None, "deployment_id", "id"),
)
# What gateways counted: a second a row while it is fresh, then ten, then five minutes.
measurement = Table(
    "measurement",
    metadata,
    _key("deployment_id"),
    _key("at_s"),
    _key("revision"),
    _text_key("endpoint"),
    _text_key("role"),
    _text_key("segment"),
    _text("document"),
    sqlite_with_rowid=False,
)
gateway = Table(
    "gateway",
    metadata,
    _text_key("name"),
    _text("url"),
    _text("generation"),
    _number("number"),
    _number("seen_ms"),
    sqlite_with_rowid=False,
)
# One row: what gateways work by, and who made it.
routing = Table(
    "routing", metadata, _key("id"), _text("instance"), _text("generation"), _text("document"), sqlite_with_rowid=False
)
# Who may do a timed work now.
lease = Table("lease", metadata, _text_key("name"), _text("holder"), _number("until_ms"), sqlite_with_rowid=False)

# ------------------------------------------------------------------------------------ predictions

# Ids begin with the time (domain/predictions.py): their order is that of time. `truth`, `right` and `told_ms` repeat
# the newest feedback.
prediction = Table(
    "prediction",
    metadata,
    _serial(),
    Column("uuid", LargeBinary, nullable=False, unique=True),
    _number("deployment_id"),
    _number("at_ms"),
    _number("revision"),
    _text("endpoint"),
    _text("model"),
    _text("version"),
    _text("role"),
    _text("segment"),
    _number("latency_us"),
    _number("status"),
    _text("input", required=False),
    _text("input_hash", required=False),
    _text("output", required=False),
    _text("label", required=False),
    Column("score", Float(53)),
    _number("positive", required=False),
    _text("key", required=False),
    Column("parent", LargeBinary, nullable=True),
    _text("truth", required=False),
    _number("right", required=False),
    _number("told_ms", required=False),
    Index(None, "deployment_id", "uuid"),
)
_KEYED = prediction.c.key.is_not(None)
_SHADOWED = prediction.c.parent.is_not(None)
_TOLD = prediction.c.told_ms.is_not(None)
Index(
    "ix_prediction_key",
    prediction.c.deployment_id,
    prediction.c.key,
    sqlite_where=_KEYED,
    postgresql_where=_KEYED,
)
Index("ix_prediction_parent", prediction.c.parent, sqlite_where=_SHADOWED, postgresql_where=_SHADOWED)
Index(
    "ix_prediction_told",
    prediction.c.deployment_id,
    prediction.c.told_ms,
    prediction.c.revision,
    prediction.c.segment,
    prediction.c.right,
    sqlite_where=_TOLD,
    postgresql_where=_TOLD,
)
# How many there were, five minutes a row; stays when the predictions themselves are deleted.
prediction_count = Table(
    "prediction_count",
    metadata,
    _key("deployment_id"),
    _key("slot_s"),
    _key("revision"),
    _text_key("endpoint"),
    _text_key("model"),
    _text_key("version"),
    _text_key("role"),
    _text_key("segment"),
    _number("calls"),
    _number("errors"),
    _number("labelled"),
    _number("positives"),
    _number("told"),
    _number("right"),
    _number("pairs"),
    _number("disagreements"),
    # Counts by bucket of latency, uint32 little-endian.
    Column("latency", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
# What was learnt later; of one prediction the newest counts. It may come before the prediction itself.
feedback = Table(
    "feedback",
    metadata,
    _serial(),
    Column("uuid", LargeBinary, nullable=False, unique=True),
    # 0: of a prediction that is not recorded yet.
    _number("deployment_id"),
    Column("prediction", LargeBinary, nullable=True),
    _text("key", required=False),
    _text("truth", required=False),
    _number("right", required=False),
    _number("at_ms"),
    _text("principal"),
    Index(None, "prediction"),
    Index(None, "deployment_id", "key"),
)
