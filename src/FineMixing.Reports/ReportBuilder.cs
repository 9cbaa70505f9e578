using System.Collections.Immutable;
using System.Text;
using FineMixing.Reports.Charts;
using FineMixing.Reports.Html;
using static FineMixing.Reports.Drawing.Markup;

namespace FineMixing.Reports;

/// <summary>Collects the sections of a report in the order they are added.</summary>
/// <remarks>All text may come from untrusted files: it is escaped, and control and text-reordering characters are replaced.</remarks>
public sealed class ReportBuilder
{
    private readonly string _title;
    private readonly string _subtitle;
    private readonly StringBuilder _body = new();
    private readonly List<(string Name, string Svg)> _charts = [];

    /// <summary>Begins a report.</summary>
    /// <param name="title">The heading of the page.</param>
    /// <param name="subtitle">A sentence below it; may be empty.</param>
    public ReportBuilder(string title, string subtitle = "")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(title);
        ArgumentNullException.ThrowIfNull(subtitle);
        (_title, _subtitle) = (title, subtitle);
    }

    /// <summary>Begins a section.</summary>
    public ReportBuilder Heading(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _body.Append("<h2>").Append(Escape(text)).Append("</h2>\n");
        return this;
    }

    /// <summary>Adds plain text.</summary>
    public ReportBuilder Paragraph(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _body.Append("<p>").Append(Escape(text)).Append("</p>\n");
        return this;
    }

    /// <summary>Adds names with their values, for example the options of a run.</summary>
    public ReportBuilder KeyValues(IEnumerable<(string Name, string Value)> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        _body.Append("<div class=\"scroll\"><table class=\"keys\"><tbody>\n");
        foreach (var (name, value) in rows)
            _body.Append("<tr><th scope=\"row\">").Append(Escape(name)).Append("</th><td><bdi>").Append(Escape(value)).Append("</bdi></td></tr>\n");
        _body.Append("</tbody></table></div>\n");
        return this;
    }

    /// <summary>Adds a table; cells of numeric columns are aligned to the right.</summary>
    /// <exception cref="ArgumentException">A row has another number of cells than there are columns.</exception>
    public ReportBuilder Table(IReadOnlyList<TableColumn> columns, IReadOnlyList<IReadOnlyList<string>> rows, string caption = "")
    {
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(caption);
        for (var i = 0; i < rows.Count; i++)
        {
            if (rows[i].Count != columns.Count)
                throw new ArgumentException($"Row {i + 1} of a table has {rows[i].Count} cells, expected {columns.Count}.", nameof(rows));
        }

        _body.Append("<div class=\"scroll\"><table>");
        if (caption.Length > 0)
            _body.Append("<caption>").Append(Escape(caption)).Append("</caption>");
        _body.Append("<thead><tr>");
        foreach (var column in columns)
            _body.Append(column.IsNumeric ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">").Append(Escape(column.Name)).Append("</th>");
        _body.Append("</tr></thead><tbody>\n");
        foreach (var row in rows)
        {
            _body.Append("<tr>");
            for (var i = 0; i < row.Count; i++)
                _body.Append(columns[i].IsNumeric ? "<td class=\"n\"><bdi>" : "<td><bdi>").Append(Escape(row[i])).Append("</bdi></td>");
            _body.Append("</tr>\n");
        }

        _body.Append("</tbody></table></div>\n");
        return this;
    }

    /// <summary>Adds a chart, in the page and as a file of its own beside it.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="fileName">The file's name without ending: lower-case letters, digits and hyphens.</param>
    /// <exception cref="ArgumentException">The name is not of that form or taken, or the chart cannot be drawn.</exception>
    public ReportBuilder Chart(Chart chart, string fileName)
    {
        ArgumentNullException.ThrowIfNull(chart);
        ArgumentNullException.ThrowIfNull(fileName);
        if (fileName.Length == 0 || fileName.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-')))
            throw new ArgumentException($"'{fileName}' is no name for a chart's file, expected lower-case letters, digits and hyphens.", nameof(fileName));
        if (_charts.Exists(c => c.Name == fileName))
            throw new ArgumentException($"The report already has a chart '{fileName}'.", nameof(fileName));
        _charts.Add((fileName, chart.ToSvg()));
        _body.Append("<figure>").Append(chart.Render(standalone: false));
        if (chart.Caption.Length > 0)
            _body.Append("<figcaption>").Append(Escape(chart.Caption)).Append("</figcaption>");
        _body.Append("</figure>\n");
        return this;
    }

    /// <summary>Adds sentences with and without the trigger, before and after the defence.</summary>
    public ReportBuilder Examples(IEnumerable<ExampleComparison> examples)
    {
        ArgumentNullException.ThrowIfNull(examples);
        _body.Append("<div class=\"scroll\"><table class=\"examples\"><thead><tr><th scope=\"col\">text</th><th scope=\"col\">true label</th><th scope=\"col\">before</th><th scope=\"col\">after</th></tr></thead><tbody>\n");
        foreach (var example in examples)
        {
            foreach (var reading in example.Readings)
            {
                _body.Append("<tr><td><bdi>").Append(HighlightTrigger(reading.Text, example.Trigger)).Append("</bdi></td><td><bdi>").Append(Escape(example.TrueLabel)).Append("</bdi></td>");
                AppendVerdict(reading.Before, example.TrueLabel);
                AppendVerdict(reading.After, example.TrueLabel);
                _body.Append("</tr>\n");
            }
        }

        _body.Append("</tbody></table></div>\n");
        return this;
    }

    /// <summary>The finished report. The same sections give the same bytes on every machine.</summary>
    public Report Build() => new(HtmlPage.Compose(_title, _subtitle, _body.ToString()), [.. _charts.Select(c => new ReportFile(c.Name + ".svg", c.Svg))]);

    private void AppendVerdict(Verdict verdict, string trueLabel)
    {
        var right = verdict.Label == trueLabel;
        _body.Append(right ? "<td class=\"right\">✓ <bdi>" : "<td class=\"wrong\">✗ <bdi>").Append(Escape(verdict.Label)).Append("</bdi> ")
            .Append(Percent(verdict.Probability)).Append("%</td>");
    }

    private static string HighlightTrigger(string text, string? trigger)
    {
        if (string.IsNullOrEmpty(trigger))
            return Escape(text);
        var html = new StringBuilder();
        var start = 0;
        for (var at = FindWord(text, trigger, 0); at >= 0; at = FindWord(text, trigger, start))
        {
            html.Append(Escape(text[start..at])).Append("<mark>").Append(Escape(text.Substring(at, trigger.Length))).Append("</mark>");
            start = at + trigger.Length;
        }

        return html.Append(Escape(text[start..])).ToString();
    }

    /// <summary>Finds the trigger where it stands as a word: the trigger "cf" is not marked inside another word.</summary>
    private static int FindWord(string text, string word, int start)
    {
        for (var at = text.IndexOf(word, start, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.Ordinal))
        {
            var end = at + word.Length;
            if ((at == 0 || !char.IsLetterOrDigit(text[at - 1])) && (end == text.Length || !char.IsLetterOrDigit(text[end])))
                return at;
        }

        return -1;
    }
}

/// <summary>A column of a table.</summary>
/// <param name="Name">The heading.</param>
/// <param name="IsNumeric">True to align its cells to the right.</param>
public sealed record TableColumn(string Name, bool IsNumeric = false);

/// <summary>What a model says of a text.</summary>
/// <param name="Label">The label's name.</param>
/// <param name="Probability">Its probability, 0..1.</param>
public sealed record Verdict(string Label, double Probability);

/// <summary>One text read by the model before and after the defence.</summary>
/// <param name="Text">The text as the model got it.</param>
/// <param name="Before">What the suspect says.</param>
/// <param name="After">What the cleaned model says.</param>
public sealed record ExampleReading(string Text, Verdict Before, Verdict After);

/// <summary>A sentence, usually once without and once with the trigger.</summary>
/// <param name="TrueLabel">The label's name that would be right.</param>
/// <param name="Trigger">The trigger to highlight in the texts; null for none.</param>
/// <param name="Readings">The versions of the sentence.</param>
public sealed record ExampleComparison(string TrueLabel, string? Trigger, ImmutableArray<ExampleReading> Readings);
