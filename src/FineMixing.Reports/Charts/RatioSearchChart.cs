using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>One tried reserve ratio.</summary>
/// <param name="ReserveRatio">The share of weights kept from the suspect, 0..1.</param>
/// <param name="Accuracy">Mean and spread of the accuracy on held-out folds of the clean samples.</param>
public sealed record RatioTrial(double ReserveRatio, Rate Accuracy);

/// <summary>The search for the reserve ratio: accuracy on held-out clean folds, the suspect's accuracy, the tolerance below it, and the chosen ratio.</summary>
public sealed record RatioSearchChart : Chart
{
    private const double Left = 64;
    private const double Bottom = 330;

    /// <summary>The tried ratios in ascending order.</summary>
    public required ImmutableArray<RatioTrial> Trials { get; init; }

    /// <summary>The suspect's accuracy on the same clean folds, 0..1.</summary>
    public required double SuspectAccuracy { get; init; }

    /// <summary>How far below the suspect's accuracy is accepted, 0..1.</summary>
    public required double Tolerance { get; init; }

    /// <summary>The ratio that was chosen; null when none was.</summary>
    public double? Chosen { get; init; }

    private protected override double Height => 382;

    private protected override void Draw(SvgCanvas canvas)
    {
        const double top = 72;
        var right = canvas.Width - 20;
        var limit = Math.Max(0, SuspectAccuracy - Tolerance);
        List<LegendEntry> entries =
        [
            new("accuracy on held-out clean folds", Ink.Accuracy, LegendSign.Line),
            new("lowest accepted accuracy", Ink.Text, LegendSign.Dashed),
        ];
        if (Chosen is not null)
            entries.Add(new("chosen", Ink.Attack, LegendSign.Dot, 1));
        Legend.Draw(canvas, 38, entries);

        var low = Math.Min(limit, Trials.Min(t => t.Accuracy.Low));
        var high = Math.Max(SuspectAccuracy, Trials.Max(t => t.Accuracy.High));
        var step = Math.Max(0.01, Scale.NiceStep(Math.Max(high - low, 0.02) / 6));
        var y = Scale.Linear(Math.Max(0, Math.Floor(low / step + 1e-9) * step), Math.Min(1, Math.Ceiling(high / step - 1e-9) * step), Bottom, top);
        var x = Scale.Linear(Trials[0].ReserveRatio, Trials[^1].ReserveRatio, Left + 14, right - 14);
        foreach (var tick in y.Ticks(6))
        {
            canvas.Line(Left, y.Map(tick), right, y.Map(tick), Ink.Grid);
            canvas.Text(Left - 8, y.Map(tick) + 4, Markup.Number(tick * 100), Ink.Muted, anchor: Anchor.End);
        }

        canvas.Line(Left, top, Left, Bottom, Ink.Axis);
        canvas.Line(Left, Bottom, right, Bottom, Ink.Axis);
        var free = double.NegativeInfinity;
        foreach (var trial in Trials)
        {
            var position = x.Map(trial.ReserveRatio);
            canvas.Line(position, Bottom, position, Bottom + 5, Ink.Axis);
            var text = Markup.Short(trial.ReserveRatio);
            var half = Markup.Width(text, 12) / 2;
            if (position - half < free)
                continue;
            free = position + half + 4;
            canvas.Text(position, Bottom + 19, text, Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Text((Left + right) / 2, Bottom + 40, "reserve ratio", Ink.Text, 13, Anchor.Middle);
        canvas.VerticalText(18, (top + Bottom) / 2, "accuracy (%)", Ink.Text, 13);
        if (Trials.Length > 1 && Trials.Any(t => t.Accuracy.High > t.Accuracy.Low))
        {
            canvas.Polygon(
                Trials.Select(t => (x.Map(t.ReserveRatio), y.Map(t.Accuracy.High))).Concat(Trials.Reverse().Select(t => (x.Map(t.ReserveRatio), y.Map(t.Accuracy.Low)))),
                Ink.Accuracy, 0.15);
        }

        canvas.Line(Left, y.Map(SuspectAccuracy), right, y.Map(SuspectAccuracy), Ink.Muted, 1.2);
        canvas.Text(Left + 6, y.Map(SuspectAccuracy) + (y.Map(SuspectAccuracy) - top > 18 ? -5 : 14), "suspect", Ink.Muted, halo: true);
        canvas.Line(Left, y.Map(limit), right, y.Map(limit), Ink.Text, 1.5, "6 4");
        canvas.Polyline(Trials.Select(t => (x.Map(t.ReserveRatio), y.Map(t.Accuracy.Value))), Ink.Accuracy, 2.2);
        foreach (var trial in Trials)
            canvas.Marker(x.Map(trial.ReserveRatio), y.Map(trial.Accuracy.Value), 0);
        if (Chosen is { } chosen && Trials.FirstOrDefault(t => t.ReserveRatio == chosen) is { } found)
            canvas.Marker(x.Map(chosen), y.Map(found.Accuracy.Value), 1, 7);
    }

    private protected override IEnumerable<string> Problems()
    {
        if (Trials.IsDefaultOrEmpty)
            return ["it has no trials"];
        var problems = Trials.SelectMany(t => RateProblems(FormattableString.Invariant($"the accuracy at ratio {t.ReserveRatio}"), t.Accuracy)).ToList();
        problems.AddRange(Trials.Where(t => !(t.ReserveRatio is >= 0 and <= 1)).Select(t => FormattableString.Invariant($"the ratio {t.ReserveRatio} is outside 0..1")));
        problems.AddRange(RateProblems("the suspect's accuracy", Rate.Exact(SuspectAccuracy)));
        problems.AddRange(RateProblems("the tolerance", Rate.Exact(Tolerance)));
        if (Trials.Zip(Trials.Skip(1)).Any(p => p.First.ReserveRatio >= p.Second.ReserveRatio))
            problems.Add("the ratios are not in ascending order");
        return problems;
    }
}
