using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>One quantity of every layer.</summary>
/// <param name="Name">The quantity, for example "relative drift".</param>
/// <param name="Values">Its value for each layer, finite and not negative.</param>
public sealed record LayerColumn(string Name, ImmutableArray<double> Values);

/// <summary>Quantities of each layer as bars: the relative drift of the ancestor check, the mixing ratio of a schedule.</summary>
public sealed record LayerBarChart : Chart
{
    private const double Top = 74;
    private const double RowHeight = 22;

    /// <summary>The names of the layers, from top to bottom.</summary>
    public required ImmutableArray<string> Layers { get; init; }

    /// <summary>One to four quantities, side by side, each on its own scale.</summary>
    public required ImmutableArray<LayerColumn> Columns { get; init; }

    private protected override double Height => Top + Layers.Length * RowHeight + 34;

    private protected override void Draw(SvgCanvas canvas)
    {
        var left = 24 + Math.Min(230, Layers.Max(l => Markup.Width(l, 12)));
        var columnWidth = (canvas.Width - 12 - left) / Columns.Length;
        var bottom = Top + Layers.Length * RowHeight;
        for (var i = 0; i < Layers.Length; i++)
            canvas.Text(left - 10, Top + (i + 0.5) * RowHeight + 4, Markup.Fit(Layers[i], 12, 230), Ink.Text, 12, Anchor.End);
        for (var c = 0; c < Columns.Length; c++)
        {
            var column = Columns[c];
            var (from, to) = (left + c * columnWidth, left + (c + 1) * columnWidth - 66);
            var highest = column.Values.Max();
            var x = Scale.Linear(0, highest > 0 ? highest : 1, from, to);
            canvas.Text(from, Top - 12, Markup.Fit(column.Name, 13, columnWidth - 12), Ink.Text, 13, bold: true);
            var free = double.NegativeInfinity;
            foreach (var tick in x.Ticks(Math.Max(2, (int)(columnWidth / 55))))
            {
                canvas.Line(x.Map(tick), Top, x.Map(tick), bottom, tick == 0 ? Ink.Axis : Ink.Grid);
                var text = Markup.Short(tick);
                var half = Markup.Width(text, 11) / 2;
                if (x.Map(tick) - half < free)
                    continue;
                free = x.Map(tick) + half + 6;
                canvas.Text(x.Map(tick), bottom + 17, text, Ink.Muted, 11, Anchor.Middle);
            }

            for (var i = 0; i < Layers.Length; i++)
            {
                var y = Top + i * RowHeight;
                canvas.Rectangle(from, y + 3, x.Map(column.Values[i]) - from, RowHeight - 6, Ink.Series[c % Ink.Series.Length]);
                canvas.Text(x.Map(column.Values[i]) + 5, y + RowHeight / 2 + 4, Markup.Short(column.Values[i]), Ink.Text, 11, halo: true);
            }
        }
    }

    private protected override IEnumerable<string> Problems()
    {
        if (Layers.IsDefaultOrEmpty || Columns.IsDefaultOrEmpty)
            return ["it needs at least one layer and one column"];
        var problems = new List<string>();
        if (Columns.Length > 4)
            problems.Add($"it has {Columns.Length} columns, expected 1 to 4");
        foreach (var column in Columns)
        {
            if (column.Values.IsDefault || column.Values.Length != Layers.Length)
                problems.Add($"'{column.Name}' has {(column.Values.IsDefault ? 0 : column.Values.Length)} values for {Layers.Length} layers");
            else if (column.Values.Any(v => !(v >= 0 && v < double.PositiveInfinity)))
                problems.Add($"'{column.Name}' has a value that is negative or not finite");
        }

        return problems;
    }
}
