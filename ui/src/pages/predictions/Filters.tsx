import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { deploymentsQuery } from "@/api/deployments";
import { cx } from "@/lib/cx";
import { Input, Select } from "@/parts/fields";
import { PERIODS, RIGHTS, ROLES, type Search, type SearchChange } from "./search";

const ANY = "any";
const SETTLED_MS = 400;

/** What is typed is asked for once nobody has typed for a moment. */
function Typed({
  label,
  value,
  onChange,
  className,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  className?: string;
}) {
  const [text, setText] = useState(value ?? "");
  const told = useRef(value ?? "");
  const tell = useRef(onChange);
  tell.current = onChange;
  useEffect(() => {
    if ((value ?? "") !== told.current) {
      told.current = value ?? "";
      setText(value ?? "");
    }
  }, [value]);
  useEffect(() => {
    if (text === told.current) return;
    const timer = setTimeout(() => {
      told.current = text;
      tell.current(text || undefined);
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <Input
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(event) => setText(event.target.value)}
      className={cx("!w-28", className)}
    />
  );
}

function choices(values: readonly string[], any: string) {
  return [{ value: ANY, label: any }, ...values.map((value) => ({ value, label: value }))];
}

/** Which predictions are shown. */
export function Filters({ search, set }: { search: Search; set: (change: SearchChange) => void }) {
  const deployments = useQuery(deploymentsQuery()).data ?? [];
  const chosen = deployments.find((each) => each.name === search.deployment);
  const names = [
    ...new Set([...deployments.map((each) => each.name), ...(search.deployment ? [search.deployment] : [])]),
  ];
  const segments = chosen ? (chosen.traffic.map((each) => each.segment).filter(Boolean) ?? []) : [];
  const status = ["ok", "error", ...(search.status && !/^(ok|error)$/.test(search.status) ? [search.status] : [])];
  return (
    <search aria-label="Which predictions" className="flex flex-wrap gap-2">
      <Select
        label="Deployment"
        options={choices(names, "All deployments")}
        value={search.deployment ?? ANY}
        onChange={(value) => set({ deployment: value === ANY ? undefined : value, segment: undefined })}
      />
      <Select
        label="Time"
        options={[
          { value: ANY, label: search.since ? "Chosen time" : "Any time" },
          ...PERIODS.map((value) => ({ value, label: `Last ${value}` })),
        ]}
        value={search.period ?? ANY}
        onChange={(value) =>
          set({ period: PERIODS.find((each) => each === value), since: undefined, until: undefined })
        }
      />
      <Select
        label="Role"
        options={choices(ROLES, "Any role")}
        value={search.role ?? ANY}
        onChange={(value) => set({ role: ROLES.find((each) => each === value) })}
      />
      <Select
        label="Status"
        options={choices(status, "Any status")}
        value={search.status ?? ANY}
        onChange={(value) => set({ status: value === ANY ? undefined : value })}
      />
      <Select
        label="Right or wrong"
        options={choices(RIGHTS, "Right or wrong")}
        value={search.right ?? ANY}
        onChange={(value) => set({ right: RIGHTS.find((each) => each === value) })}
      />
      {segments.length > 0 || search.segment ? (
        <Select
          label="Segment"
          options={[
            ...choices(
              [...new Set([...segments, ...(search.segment && search.segment !== "*" ? [search.segment] : [])])],
              "Any segment",
            ),
            { value: "*", label: "No segment" },
          ]}
          value={search.segment ?? ANY}
          onChange={(value) => set({ segment: value === ANY ? undefined : value })}
        />
      ) : null}
      <Typed label="Version" value={search.version} onChange={(version) => set({ version })} className="!w-20" />
      <Typed
        label="Revision"
        value={search.revision === undefined ? undefined : String(search.revision)}
        onChange={(text) => set({ revision: text && /^\d+$/.test(text) ? Number(text) : undefined })}
        className="!w-20"
      />
      <Typed label="Key" value={search.key} onChange={(key) => set({ key })} />
      <Typed label="Label" value={search.label} onChange={(label) => set({ label })} />
      <Typed label="Words in what is shown" value={search.text} onChange={(text) => set({ text })} className="!w-48" />
    </search>
  );
}
