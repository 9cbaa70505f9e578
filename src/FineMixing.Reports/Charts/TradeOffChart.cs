using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>One defended model: what is left of accuracy and of the backdoor.</summary>
/// <param name="Label">Written beside the point, for example the reserve ratio; may be empty.</param>
/// <param name="Accuracy">Mean and spread of the accuracy.</param>
/// <param name="AttackSuccessRate">Mean and spread of the attack success rate.</param>
public sealed record TradeOffPoint(string Label, Rate Accuracy, Rate AttackSuccessRate);

/// <summary>One defence at one or several settings.</summary>
/// <param name="Name">The defence.</param>
/// <param name="Points">Its settings, joined by a line in this order.</param>
public sealed record TradeOff(string Name, ImmutableArray<TradeOffPoint> Points);

/// <summary>Attack success rate against accuracy: what each defence pays for what it removes. Bottom right is best.</summary>
public sealed record TradeOffChart : Chart
{
    private const double PanelHeight = 340;
    private const double Left = 64;

    /// <summary>The defences, at most seven.</summary>
    public required ImmutableArray<TradeOff> Defences { get; init; }

    /// <summary>The rate of the target label without a trigger, drawn as a dashed line; null for none.</summary>
    public double? Floor { get; init; }

    private double Top => 40 + Legend.Height(Entries()) + 8;

    private protected override double Height => Top + PanelHeight + 52;

    private IEnumerable<TradeOffPoint> Points => Defences.SelectMany(d => d.Points);

    private protected override void Draw(SvgCanvas canvas)
    {
        Legend.Draw(canvas, 38, Entries());
        var (right, bottom) = (canvas.Width - 24, Top + PanelHeight);
        var (low, high) = (Points.Min(p => p.Accuracy.Low), Points.Max(p => p.Accuracy.High));
        var step = Math.Max(0.01, Scale.NiceStep(Math.Max(high - low, 0.02) / 8));
        low = Math.Max(0, Math.Floor((low / step) + 1e-9) * step);
        high = Math.Min(1, Math.Max(low + step, Math.Ceiling((high / step) - 1e-9) * step));
        var x = Scale.Linear(low, high, Left + 12, right - 12);
        var y = Scale.Linear(0, 1, bottom - 6, Top + 6);
        Axes(canvas, x, y, right, bottom, (int)Math.Round((high - low) / step));
        for (var i = 0; i < Defences.Length; i++)
        {
            if (Defences[i].Points.Length > 1)
                canvas.Polyline(Defences[i].Points.Select(p => (x.Map(p.Accuracy.Value), y.Map(p.AttackSuccessRate.Value))), Ink.Series[i], 1.6, i % 2 == 1 ? "7 3" : null);
        }

        var labels = new LabelPlacer(Left + 2, Top, right, bottom);
        foreach (var point in Points)
            labels.Block(x.Map(point.Accuracy.Value), y.Map(point.AttackSuccessRate.Value), 5);
        for (var i = 0; i < Defences.Length; i++)
        {
            foreach (var point in Defences[i].Points)
                Mark(canvas, x, y, point, i, labels);
        }
    }

    private void Axes(SvgCanvas canvas, Scale x, Scale y, double right, double bottom, int steps)
    {
        foreach (var tick in y.Ticks(5))
        {
            canvas.Line(Left, y.Map(tick), right, y.Map(tick), Ink.Grid);
            canvas.Text(Left - 8, y.Map(tick) + 4, Markup.Number(tick * 100), Ink.Muted, anchor: Anchor.End);
        }

        foreach (var tick in x.Ticks(steps))
        {
            canvas.Line(x.Map(tick), bottom, x.Map(tick), bottom + 5, Ink.Axis);
            canvas.Text(x.Map(tick), bottom + 19, Markup.Number(tick * 100), Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Line(Left, Top, Left, bottom, Ink.Axis);
        canvas.Line(Left, bottom, right, bottom, Ink.Axis);
        canvas.Text((Left + right) / 2, bottom + 40, "accuracy (%)", Ink.Text, 13, Anchor.Middle);
        canvas.VerticalText(18, (Top + bottom) / 2, "attack success rate (%)", Ink.Text, 13);
        if (Floor is { } floor)
        {
            canvas.Line(Left, y.Map(floor), right, y.Map(floor), Ink.Text, 1.5, "6 4");
            canvas.Text(Left + 6, y.Map(floor) - 5, "without the trigger", Ink.Text, 12, halo: true);
        }
    }

    private static void Mark(SvgCanvas canvas, Scale x, Scale y, TradeOffPoint point, int series, LabelPlacer labels)
    {
        var (cx, cy, ink) = (x.Map(point.Accuracy.Value), y.Map(point.AttackSuccessRate.Value), Ink.Series[series]);
        if (point.Accuracy.High > point.Accuracy.Low)
            canvas.Line(x.Map(point.Accuracy.Low), cy, x.Map(point.Accuracy.High), cy, ink);
        if (point.AttackSuccessRate.High > point.AttackSuccessRate.Low)
            canvas.Line(cx, y.Map(point.AttackSuccessRate.Low), cx, y.Map(point.AttackSuccessRate.High), ink);
        canvas.Marker(cx, cy, series, 4.5);
        var text = Markup.Fit(point.Label, 12, 160);
        if (text.Length > 0 && labels.Place(cx, cy, Markup.Width(text, 12), 12) is { } label)
            canvas.Text(label.X, label.Y, text, Ink.Text, 12, halo: true);
    }

    private List<LegendEntry> Entries() => [.. Defences.Select((d, i) => new LegendEntry(d.Name, Ink.Series[i % Ink.Series.Length], d.Points.Length > 1 ? LegendSign.Line : LegendSign.Dot, i))];

    private protected override IEnumerable<string> Problems()
    {
        if (Defences.IsDefaultOrEmpty || Defences.Any(d => d.Points.IsDefaultOrEmpty))
            return ["it needs at least one defence, each with at least one point"];
        var problems = Points.SelectMany(p => RateProblems($"the accuracy at '{p.Label}'", p.Accuracy).Concat(RateProblems($"the attack success rate at '{p.Label}'", p.AttackSuccessRate)))
            .Concat(RateProblems("the floor", Floor is { } f ? Rate.Exact(f) : null));
        return Defences.Length > Ink.Series.Length ? problems.Prepend($"{Defences.Length} defences cannot be told apart, draw at most {Ink.Series.Length}") : problems;
    }
}
