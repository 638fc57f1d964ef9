import { CSPProvider } from "@base-ui/react/csp-provider";
import { Tooltip } from "@base-ui/react/tooltip";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import {
  Activity,
  BarChart3,
  Boxes,
  FlaskConical,
  Home,
  Layers,
  Menu as MenuIcon,
  Moon,
  Rocket,
  Search,
  Sun,
  SunMoon,
  X,
} from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import icon from "./icon.svg?inline";
import { cx } from "./lib/cx";
import { chooseTheme, type ThemeChoice, useThemeChoice } from "./lib/theme";
import { IconButton } from "./parts/button";
import { Page } from "./parts/page";
import { Empty, Trouble } from "./parts/states";
import { Toasts } from "./parts/toast";

const Palette = lazy(() => import("./palette/Palette").then((module) => ({ default: module.Palette })));

const PLACES = [
  { to: "/", label: "Overview", icon: Home },
  { to: "/experiments", label: "Experiments", icon: FlaskConical },
  { to: "/models", label: "Models", icon: Boxes },
  { to: "/environments", label: "Environments", icon: Layers },
  { to: "/deployments", label: "Deployments", icon: Rocket },
  { to: "/predictions", label: "Predictions", icon: Activity },
  { to: "/statistics", label: "Statistics", icon: BarChart3 },
] as const;

const THEMES: { choice: ThemeChoice; next: ThemeChoice; label: string; icon: typeof Sun }[] = [
  { choice: "system", next: "light", label: "Theme: as the system's. Switch to light", icon: SunMoon },
  { choice: "light", next: "dark", label: "Theme: light. Switch to dark", icon: Sun },
  { choice: "dark", next: "system", label: "Theme: dark. Switch to the system's", icon: Moon },
];

/** Every page's frame: where one can go, and the page. */
export function Shell() {
  const [open, setOpen] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu
  useEffect(() => setOpen(false), [path]);
  return (
    // Our policy allows no style elements; Base UI's only hides a scrollbar.
    <CSPProvider disableStyleElements>
      <Tooltip.Provider delay={400}>
        <a
          href="#main"
          className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded focus:bg-raised focus:px-3 focus:py-2"
        >
          Skip to the content
        </a>
        <div className="flex h-dvh flex-col md:flex-row">
          <div className="flex items-center justify-between border-b border-line bg-surface px-4 py-2 md:hidden">
            <Brand />
            <IconButton
              label={open ? "Close the menu" : "Open the menu"}
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              {open ? <X aria-hidden /> : <MenuIcon aria-hidden />}
            </IconButton>
          </div>
          <nav
            aria-label="Main"
            className={cx(
              "w-full shrink-0 flex-col border-r border-line bg-surface p-3 md:flex md:w-52",
              open ? "flex" : "hidden",
            )}
          >
            <div className="mb-4 hidden px-2 pt-1 md:block">
              <Brand />
            </div>
            <Finder />
            <ul className="flex flex-col gap-0.5">
              {PLACES.map(({ to, label, icon: Icon }) => (
                <li key={to}>
                  <Link
                    to={to}
                    activeOptions={{ exact: to === "/", includeSearch: false }}
                    className="flex h-8 items-center gap-2.5 rounded-md px-2 text-sm text-muted hover:bg-hover hover:text-text data-[status=active]:bg-accent-soft data-[status=active]:font-medium data-[status=active]:text-accent-text"
                  >
                    <Icon className="size-4" aria-hidden />
                    {label}
                  </Link>
                </li>
              ))}
            </ul>
            <div className="mt-auto flex items-center justify-between px-2 pt-4 text-xs text-muted">
              <a href="/docs" className="rounded hover:text-text hover:underline">
                API
              </a>
              <ThemeButton />
            </div>
          </nav>
          <main id="main" tabIndex={-1} className="min-h-0 min-w-0 grow overflow-auto outline-none">
            <Outlet />
          </main>
        </div>
        <Toasts />
      </Tooltip.Provider>
    </CSPProvider>
  );
}

/** Goes anywhere by name; its code comes when it is first asked for. */
function Finder() {
  const [open, setOpen] = useState(false);
  const [asked, setAsked] = useState(false);
  const show = (shown: boolean) => {
    setOpen(shown);
    if (shown) setAsked(true);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey)
        return;
      event.preventDefault();
      setAsked(true);
      setOpen((before) => !before);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button
        type="button"
        onClick={() => show(true)}
        aria-keyshortcuts="Control+K Meta+K"
        className="mb-3 flex h-8 items-center gap-2.5 rounded-md border border-line-strong px-2 text-sm text-muted hover:bg-hover hover:text-text"
      >
        <Search className="size-4" aria-hidden /> Go to …
        <kbd aria-hidden className="ml-auto font-sans text-xs">
          Ctrl K
        </kbd>
      </button>
      {asked && (
        <Suspense fallback={null}>
          <Palette open={open} onOpenChange={show} pages={PLACES} />
        </Suspense>
      )}
    </>
  );
}

function Brand() {
  return (
    <span className="flex items-center gap-2 font-semibold tracking-tight">
      <img src={icon} alt="" className="size-6" /> Modelyard
    </span>
  );
}

function ThemeButton() {
  const choice = useThemeChoice();
  const shown = THEMES.find((each) => each.choice === choice);
  if (!shown) return null;
  const Icon = shown.icon;
  return (
    <IconButton label={shown.label} small onClick={() => chooseTheme(shown.next)}>
      <Icon aria-hidden />
    </IconButton>
  );
}

/** There is no such page. */
export function Lost() {
  return (
    <Empty title="There is no such page">
      <Link to="/" className="text-accent-text underline">
        To the overview
      </Link>
    </Empty>
  );
}

/** A page that broke: what it said, and the way on. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <Page title="This page broke">
      <p className="text-sm text-muted">
        That is a mistake of ours, and nothing was changed by it. If it happens again, what it says below helps to mend
        it.
      </p>
      <Trouble error={error} retry={reset} />
    </Page>
  );
}
