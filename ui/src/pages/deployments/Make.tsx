import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { choicesQuery } from "@/api/deployments";
import { Dialog } from "@/parts/dialog";
import { Checkbox, Field, Input, Select } from "@/parts/fields";
import { Tabs } from "@/parts/tabs";
import { say } from "@/parts/toast";
import { SpecEditor } from "../deployment/SpecEditor";
import { FIRST, specOf, type Wish } from "./preset";

const CARES = [
  { value: "plain", label: "Golden tests, then all traffic" },
  { value: "canary", label: "A canary whose share grows" },
  { value: "shadow", label: "A shadow first, then a canary" },
] as const;

/** Makes a deployment: by a form, or by its spec, which the form writes. */
export function Make({ way, onWay }: { way: "form" | "yaml"; onWay: (way: "form" | "yaml" | undefined) => void }) {
  const [wish, setWish] = useState<Wish>(FIRST);
  const choices = useQuery(choicesQuery());
  const navigate = useNavigate();
  const environments = choices.data?.environments ?? [];
  const first = environments.find((each) => each === "production") ?? environments.at(-1) ?? "";
  const filled = { ...wish, environment: wish.environment || first };
  const editor = (
    <SpecEditor
      spec={specOf(filled)}
      onCancel={() => onWay(undefined)}
      onApplied={(found) => {
        say(`${found.name} is made.`);
        void navigate({ to: "/deployments/$name", params: { name: found.name } });
      }}
    />
  );
  return (
    <Dialog
      wide
      open
      onOpenChange={(open) => {
        if (!open) onWay(undefined);
      }}
      title="A new deployment"
      description="A name under which a model answers. It follows an environment: what is put there is rolled out, step by step."
    >
      <Tabs
        label="How to say it"
        value={way}
        onChange={(value) => onWay(value === "yaml" ? "yaml" : "form")}
        tabs={[
          {
            value: "form",
            label: "Form",
            panel: () => (
              <div className="flex flex-col gap-4">
                <Form
                  wish={filled}
                  environments={environments}
                  models={choices.data?.models ?? []}
                  onChange={(change) => setWish({ ...wish, ...change })}
                />
                {wish.model ? (
                  editor
                ) : (
                  <p className="text-sm text-muted">
                    Say which model; then its spec stands here, and what it would do.
                  </p>
                )}
              </div>
            ),
          },
          { value: "yaml", label: "YAML or JSON", panel: () => editor },
        ]}
      />
    </Dialog>
  );
}

function Form({
  wish,
  environments,
  models,
  onChange,
}: {
  wish: Wish;
  environments: readonly string[];
  models: readonly string[];
  onChange: (change: Partial<Wish>) => void;
}) {
  const list = useId();
  return (
    <div className="grid gap-3 sm:grid-cols-3">
      <Field label="Model">
        {(id) => (
          <>
            <Input
              id={id}
              list={list}
              value={wish.model}
              onChange={(event) => onChange({ model: event.target.value })}
            />
            <datalist id={list}>
              {models.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <Field label="Name">
        {(id) => (
          <Input
            id={id}
            value={wish.name}
            placeholder={wish.model || "as the model's"}
            onChange={(event) => onChange({ name: event.target.value })}
          />
        )}
      </Field>
      <Field label="Environment">
        {(id) => (
          <Select
            id={id}
            label="Environment"
            options={environments.map((value) => ({ value, label: value }))}
            value={wish.environment}
            onChange={(environment) => onChange({ environment })}
          />
        )}
      </Field>
      <Field label="How new versions come in">
        {(id) => (
          <Select
            id={id}
            label="How new versions come in"
            options={CARES}
            value={wish.care}
            onChange={(value) => onChange({ care: CARES.find((each) => each.value === value)?.value ?? "plain" })}
          />
        )}
      </Field>
      {wish.care !== "plain" && (
        <>
          <Field label="Shares of the canary, %">
            {(id) => (
              <Input id={id} value={wish.weights} onChange={(event) => onChange({ weights: event.target.value })} />
            )}
          </Field>
          <Field label="Each step lasts">
            {(id) => <Input id={id} value={wish.every} onChange={(event) => onChange({ every: event.target.value })} />}
          </Field>
        </>
      )}
      <Field label="Bake">
        {(id) => <Input id={id} value={wish.bake} onChange={(event) => onChange({ bake: event.target.value })} />}
      </Field>
      <Field label="Replicas">
        {(id) => (
          <Input
            id={id}
            inputMode="numeric"
            value={wish.replicas}
            onChange={(event) => onChange({ replicas: event.target.value })}
          />
        )}
      </Field>
      <div className="flex items-end pb-1.5">
        <Checkbox
          label="Somebody has to approve"
          checked={wish.approve}
          onChange={(approve) => onChange({ approve })}
        />
      </div>
    </div>
  );
}
