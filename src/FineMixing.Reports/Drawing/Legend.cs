namespace FineMixing.Reports.Drawing;

/// <summary>How an entry of a legend is drawn.</summary>
internal enum LegendSign
{
    Box,
    Line,
    Dashed,
    Dot,
}

/// <summary>One entry of a legend.</summary>
internal sealed record LegendEntry(string Text, Ink Ink, LegendSign Sign, int Series = 0);

/// <summary>Entries in rows below a chart's title.</summary>
internal static class Legend
{
    private const double RowHeight = 20;
    private const double Left = 12;
    private const double MaxText = 300;

    public static double Height(IReadOnlyList<LegendEntry> entries) => Rows(entries).Count() * RowHeight;

    public static void Draw(SvgCanvas canvas, double top, IReadOnlyList<LegendEntry> entries)
    {
        var y = top + RowHeight / 2;
        foreach (var row in Rows(entries))
        {
            foreach (var (entry, x, text) in row)
            {
                switch (entry.Sign)
                {
                    case LegendSign.Box:
                        canvas.Rectangle(x + 3, y - 6, 14, 12, entry.Ink, radius: 2);
                        break;
                    case LegendSign.Dashed:
                        canvas.Line(x, y, x + 20, y, entry.Ink, 2, "5 3");
                        break;
                    case LegendSign.Dot:
                        canvas.Marker(x + 10, y, entry.Series, 5);
                        break;
                    default:
                        canvas.Line(x, y, x + 20, y, entry.Ink, 2);
                        canvas.Marker(x + 10, y, entry.Series);
                        break;
                }

                canvas.Text(x + 26, y + 4, text, Ink.Text);
            }

            y += RowHeight;
        }
    }

    private static IEnumerable<List<(LegendEntry Entry, double X, string Text)>> Rows(IReadOnlyList<LegendEntry> entries)
    {
        var row = new List<(LegendEntry, double, string)>();
        var x = Left;
        foreach (var entry in entries)
        {
            var text = Markup.Fit(entry.Text, 12, MaxText);
            var width = 26 + Markup.Width(text, 12) + 18;
            if (row.Count > 0 && x + width > Charts.Chart.CanvasWidth)
            {
                yield return row;
                row = [];
                x = Left;
            }

            row.Add((entry, x, text));
            x += width;
        }

        if (row.Count > 0)
            yield return row;
    }
}
