using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>A token to point out in a distribution.</summary>
/// <param name="Token">Its text.</param>
/// <param name="Score">Its score.</param>
public sealed record MarkedScore(string Token, double Score);

/// <summary>How the E-PUR score is distributed over the vocabulary, counted in bins on a logarithmic axis so that single outliers stay visible.</summary>
public sealed record ScoreHistogramChart : Chart
{
    private const double Left = 80;
    private const double Bottom = 380;

    /// <summary>The score of each token.</summary>
    public required ImmutableArray<double> Scores { get; init; }

    /// <summary>The tokens to label, the most important first.</summary>
    public ImmutableArray<MarkedScore> Marked { get; init; } = [];

    /// <summary>The lowest score that is purified; null for none.</summary>
    public double? Threshold { get; init; }

    /// <summary>The number of bins, 5 to 200.</summary>
    public int Bins { get; init; } = 60;

    private protected override double Height => 432;

    private protected override void Draw(SvgCanvas canvas)
    {
        const double top = 150;
        var right = canvas.Width - 20;
        var highest = Math.Max(Scores.Max(), Marked.IsEmpty ? 0 : Marked.Max(m => m.Score));
        if (highest <= 0)
            highest = 1;
        var counts = new int[Bins];
        foreach (var score in Scores)
            counts[Math.Min(Bins - 1, (int)(score / highest * Bins))]++;
        var x = Scale.Linear(0, highest, Left, right);
        var most = Math.Pow(10, Math.Max(1, Math.Ceiling(Math.Log10(counts.Max()))));
        // The axis begins below 1 so that a bin of a single token has a height.
        var y = Scale.Logarithmic(0.7, most, Bottom, top);

        List<LegendEntry> entries = [new("tokens per bin", Ink.Accuracy, LegendSign.Box)];
        if (!Marked.IsEmpty)
            entries.Add(new("marked", Ink.Attack, LegendSign.Dot, 1));
        if (Threshold is not null)
            entries.Add(new("lowest score that is reset", Ink.Text, LegendSign.Dashed));
        Legend.Draw(canvas, 38, entries);

        foreach (var tick in y.Ticks(0))
        {
            canvas.Line(Left, y.Map(tick), right, y.Map(tick), Ink.Grid);
            canvas.Text(Left - 8, y.Map(tick) + 4, tick.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture), Ink.Muted, anchor: Anchor.End);
        }

        for (var i = 0; i < Bins; i++)
        {
            if (counts[i] == 0)
                continue;
            var from = x.Map(highest * i / Bins);
            canvas.Rectangle(from + 0.5, y.Map(counts[i]), x.Map(highest * (i + 1) / Bins) - from - 1, Bottom - y.Map(counts[i]), Ink.Accuracy);
        }

        canvas.Line(Left, Bottom, right, Bottom, Ink.Axis);
        foreach (var tick in x.Ticks(8))
        {
            canvas.Line(x.Map(tick), Bottom, x.Map(tick), Bottom + 5, Ink.Axis);
            canvas.Text(x.Map(tick), Bottom + 19, Markup.Short(tick), Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Text((Left + right) / 2, Bottom + 40, "E-PUR score", Ink.Text, 13, Anchor.Middle);
        canvas.VerticalText(18, (top + Bottom) / 2, "tokens (logarithmic)", Ink.Text, 13);
        if (Threshold is { } threshold)
            canvas.Line(x.Map(threshold), top - 8, x.Map(threshold), Bottom, Ink.Text, 1.5, "6 4");

        // Labels stand in rows above the bars; a token finds the lowest row that is still free at its place.
        const double firstRow = top - 20;
        var rows = new List<List<(double From, double To)>> { new(), new(), new(), new() };
        var labels = new List<(string Text, double X, double Y)>();
        var markers = new List<(double X, double Y)>();
        foreach (var mark in Marked)
        {
            var text = Markup.Fit(mark.Token, 12, 120);
            var half = Markup.Width(text, 12, bold: true) / 2 + 4;
            var center = x.Map(mark.Score);
            var textX = Math.Clamp(center, Left + half, right - half);
            var height = y.Map(Math.Max(1, counts[Math.Min(Bins - 1, (int)(mark.Score / highest * Bins))]));
            markers.Add((center, height));
            var row = rows.FindIndex(r => r.TrueForAll(t => textX + half <= t.From || textX - half >= t.To));
            if (row < 0)
                continue;
            rows[row].Add((textX - half, textX + half));
            var labelY = firstRow - row * 16;
            canvas.Line(center, labelY + 4, center, height - 6, Ink.Muted, 0.8);
            labels.Add((text, textX, labelY));
        }

        // Last, so that no line crosses a marker or a name.
        foreach (var (markerX, markerY) in markers)
            canvas.Marker(markerX, markerY, 1, 4);
        foreach (var (text, textX, labelY) in labels)
            canvas.Text(textX, labelY, text, Ink.Text, 12, Anchor.Middle, bold: true, halo: true);
    }

    private protected override IEnumerable<string> Problems()
    {
        if (Scores.IsDefaultOrEmpty)
            return ["it has no scores"];
        var problems = new List<string>();
        if (Bins is < 5 or > 200)
            problems.Add($"it has {Bins} bins, expected 5 to 200");
        var bad = Scores.Concat(Marked.Select(m => m.Score)).Count(s => !(s >= 0 && s < double.PositiveInfinity));
        if (bad > 0)
            problems.Add($"{bad} scores are negative or not finite");
        return problems;
    }
}
