using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Html;

/// <summary>The page around a report's sections: no script, no font, nothing from outside (a policy in the page forbids it).</summary>
internal static class HtmlPage
{
    public static string Compose(string title, string subtitle, string body) => $$"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{{Markup.Escape(title)}}</title>
        <style>
        :root { --bg: #ffffff; --text: #1b1f24; --muted: #57606a; --line: #d5dae0; --head: #f3f5f7; --right: #00694c; --wrong: #a84300; --mark: #ffe08a; --mark-text: #1b1f24; }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 960px; padding: 24px 20px 48px; background: var(--bg); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }
        h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
        h2 { font-size: 19px; margin: 36px 0 8px; padding-bottom: 4px; border-bottom: 1px solid var(--line); }
        .subtitle, figcaption, caption { color: var(--muted); }
        p { max-width: 75ch; margin: 8px 0; }
        .scroll { overflow-x: auto; margin: 12px 0; }
        table { border-collapse: collapse; font-size: 14px; }
        caption { text-align: left; padding-bottom: 6px; }
        th, td { padding: 5px 12px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
        thead th { background: var(--head); white-space: nowrap; }
        .keys th { font-weight: 600; white-space: nowrap; }
        .n { text-align: right; font-variant-numeric: tabular-nums; }
        .right { color: var(--right); white-space: nowrap; }
        .wrong { color: var(--wrong); font-weight: 600; white-space: nowrap; }
        mark { background: var(--mark); color: var(--mark-text); padding: 0 2px; border-radius: 2px; }
        figure { margin: 16px 0; }
        figure svg { display: block; width: 100%; height: auto; max-width: 860px; }
        figcaption { font-size: 14px; max-width: 75ch; margin-top: 4px; }
        @media screen and (prefers-color-scheme: dark) {
        :root { --bg: {{Ink.Background.Dark}}; --text: {{Ink.Text.Dark}}; --muted: {{Ink.Muted.Dark}}; --line: #343a42; --head: #22262c; --right: #4fd0a6; --wrong: #ff9e66; --mark: #6b5300; --mark-text: #fff3d0; }
        {{Ink.DarkRules()}}
        }
        @media print {
        body { max-width: none; padding: 0; font-size: 11pt; }
        .scroll { overflow: visible; }
        figure, tr { break-inside: avoid; }
        h2 { break-after: avoid; }
        thead { display: table-header-group; }
        thead th, mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        }
        </style>
        </head>
        <body>
        <h1>{{Markup.Escape(title)}}</h1>
        {{(subtitle.Length > 0 ? $"<p class=\"subtitle\">{Markup.Escape(subtitle)}</p>" : "")}}
        {{body}}
        </body>
        </html>

        """;
}
