using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>One token of the vocabulary.</summary>
/// <param name="Frequency">How often it occurs in the reference corpus.</param>
/// <param name="Drift">The Euclidean length of its embedding's change from the pre-trained model.</param>
public readonly record struct TokenDrift(double Frequency, double Drift);

/// <summary>A token to point out.</summary>
/// <param name="Token">Its text.</param>
/// <param name="Frequency">How often it occurs in the reference corpus.</param>
/// <param name="Drift">The length of its embedding's change.</param>
public sealed record MarkedToken(string Token, double Frequency, double Drift);

/// <summary>Embedding drift against word frequency: clean words drift with the log of their frequency, a trigger drifts far while being rare.</summary>
/// <remarks>Zhang et al. 2022 (doi 10.18653/v1/2022.findings-emnlp.26), the scatter behind the E-PUR score.</remarks>
public sealed record DriftScatterChart : Chart
{
    private const double Left = 64;
    private const double Top = 66;
    private const double Bottom = 420;

    /// <summary>The vocabulary.</summary>
    public required ImmutableArray<TokenDrift> Tokens { get; init; }

    /// <summary>The tokens to label, the most important first.</summary>
    public ImmutableArray<MarkedToken> Marked { get; init; } = [];

    /// <summary>Frequencies below this are drawn at it, as the score counts them.</summary>
    public double FrequencyFloor { get; init; } = 20;

    /// <summary>The lowest score that is purified: drawn as the curve drift = score * ln(frequency); null for none.</summary>
    public double? ScoreThreshold { get; init; }

    private protected override double Height => 470;

    private protected override void Draw(SvgCanvas canvas)
    {
        var right = canvas.Width - 20;
        var highest = Math.Max(Tokens.Max(t => t.Frequency), Marked.IsEmpty ? 0 : Marked.Max(m => m.Frequency));
        var x = Scale.Logarithmic(FrequencyFloor, Math.Max(highest, FrequencyFloor * 10) * 1.1, Left + 14, right);
        var top = Math.Max(Tokens.Max(t => t.Drift), Marked.IsEmpty ? 0 : Marked.Max(m => m.Drift));
        var y = Scale.Linear(0, top <= 0 ? 1 : top * 1.06, Bottom, Top);

        List<LegendEntry> entries = [new("token", Ink.Cloud, LegendSign.Box)];
        if (!Marked.IsEmpty)
            entries.Add(new("marked", Ink.Attack, LegendSign.Dot, 1));
        if (ScoreThreshold is not null)
            entries.Add(new("lowest score that is reset", Ink.Accuracy, LegendSign.Dashed));
        Legend.Draw(canvas, 38, entries);

        foreach (var tick in y.Ticks(6))
        {
            canvas.Line(Left, y.Map(tick), right, y.Map(tick), Ink.Grid);
            canvas.Text(Left - 8, y.Map(tick) + 4, Markup.Short(tick), Ink.Muted, anchor: Anchor.End);
        }

        foreach (var tick in x.Ticks(0).Prepend(FrequencyFloor))
        {
            canvas.Line(x.Map(tick), Bottom, x.Map(tick), Bottom + 5, Ink.Axis);
            var text = tick.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture);
            canvas.Text(x.Map(tick), Bottom + 19, tick == FrequencyFloor ? "≤ " + text : text, Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Line(Left, Top, Left, Bottom, Ink.Axis);
        canvas.Line(Left, Bottom, right, Bottom, Ink.Axis);
        canvas.Text((Left + right) / 2, Bottom + 40, "frequency in the reference corpus (logarithmic)", Ink.Text, 13, Anchor.Middle);
        canvas.VerticalText(18, (Top + Bottom) / 2, "drift of the embedding ‖δ‖", Ink.Text, 13);

        // Dots that fall on the same half pixel are drawn once: 30,000 tokens stay a small file.
        var seen = new HashSet<(double, double)>();
        canvas.Dots(
            Tokens.Select(t => (X: Half(x.Map(Math.Max(t.Frequency, FrequencyFloor))), Y: Half(y.Map(t.Drift)))).Where(seen.Add),
            Ink.Cloud, 2.6, 0.55);

        if (ScoreThreshold is { } score)
        {
            var curve = Enumerable.Range(0, 97)
                .Select(i => (X: Left + 14 + (right - Left - 14) * i / 96, F: FrequencyFloor * Math.Pow(Math.Max(highest, FrequencyFloor * 10) * 1.1 / FrequencyFloor, i / 96.0)))
                .Select(p => (p.X, Y: y.Map(score * Math.Log(p.F))))
                .TakeWhile(p => p.Y >= Top)
                .ToArray();
            if (curve.Length > 1)
                canvas.Polyline(curve, Ink.Accuracy, 2, "6 4");
        }

        var places = Marked.Select(m => (m.Token, X: x.Map(Math.Max(m.Frequency, FrequencyFloor)), Y: y.Map(m.Drift))).ToArray();
        var placer = new LabelPlacer(Left + 2, Top - 2, right, Bottom - 2);
        foreach (var place in places)
            placer.Block(place.X, place.Y, 5);
        foreach (var place in places)
        {
            var text = Markup.Fit(place.Token, 13, 160);
            if (placer.Place(place.X, place.Y, Markup.Width(text, 13, bold: true), 13) is { } label)
            {
                if (label.Leader)
                {
                    var width = Markup.Width(text, 13, bold: true);
                    canvas.Line(place.X, place.Y, Math.Clamp(place.X, label.X, label.X + width), label.Y - 4, Ink.Muted, 0.8);
                }

                canvas.Text(label.X, label.Y, text, Ink.Text, 13, bold: true, halo: true);
            }

            canvas.Marker(place.X, place.Y, 1, 4.5);
        }
    }

    private static double Half(double pixel) => Math.Round(pixel * 2) / 2;

    private protected override IEnumerable<string> Problems()
    {
        if (Tokens.IsDefaultOrEmpty)
            return ["it has no tokens"];
        var problems = new List<string>();
        if (!(FrequencyFloor >= 2))
            problems.Add(FormattableString.Invariant($"the frequency floor is {FrequencyFloor}, expected at least 2"));
        var bad = Tokens.Count(t => !(t.Drift >= 0 && t.Drift < double.PositiveInfinity && t.Frequency >= 0 && t.Frequency < double.PositiveInfinity));
        if (bad > 0)
            problems.Add($"{bad} tokens have a drift or frequency that is negative or not finite");
        problems.AddRange(Marked.Where(m => !(m.Drift >= 0 && m.Drift < double.PositiveInfinity && m.Frequency >= 0 && m.Frequency < double.PositiveInfinity))
            .Select(m => FormattableString.Invariant($"the marked token '{m.Token}' has drift {m.Drift} and frequency {m.Frequency}")));
        return problems;
    }
}
