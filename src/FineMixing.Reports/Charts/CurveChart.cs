using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>One measured position of a curve.</summary>
/// <param name="X">The position, for example the reserve ratio.</param>
/// <param name="Accuracy">Mean and spread of the accuracy.</param>
/// <param name="AttackSuccessRate">Mean and spread of the attack success rate.</param>
public sealed record CurvePoint(double X, Rate Accuracy, Rate AttackSuccessRate);

/// <summary>One defence over the positions.</summary>
/// <param name="Name">The defence.</param>
/// <param name="Points">Its positions in ascending order.</param>
public sealed record Curve(string Name, ImmutableArray<CurvePoint> Points);

/// <summary>Accuracy above, attack success rate below, over the reserve ratio (or another quantity), a line with a band of spread for each defence.</summary>
public sealed record CurveChart : Chart
{
    private const double PanelHeight = 190;
    private const double PanelGap = 26;
    private const double Left = 64;

    /// <summary>The defences, at most seven.</summary>
    public required ImmutableArray<Curve> Curves { get; init; }

    /// <summary>The name of the horizontal axis.</summary>
    public string XLabel { get; init; } = "reserve ratio";

    /// <summary>Spaces the horizontal axis by logarithm (for numbers of samples); all positions must then be positive.</summary>
    public bool LogarithmicX { get; init; }

    /// <summary>The suspect's accuracy, drawn as a dashed line; null for none.</summary>
    public double? SuspectAccuracy { get; init; }

    /// <summary>The rate of the target label without a trigger, drawn as a dashed line; null for none.</summary>
    public double? Floor { get; init; }

    private double Top => 40 + Legend.Height(Entries()) + 8;

    private protected override double Height => Top + 2 * PanelHeight + PanelGap + 52;

    private protected override void Draw(SvgCanvas canvas)
    {
        Legend.Draw(canvas, 38, Entries());
        var positions = Curves.SelectMany(c => c.Points).Select(p => p.X).Distinct().Order().ToArray();
        var (from, to) = (Left + 12, canvas.Width - 24);
        var x = LogarithmicX
            ? Scale.Logarithmic(positions[0], positions[^1], from, to)
            : Scale.Linear(positions[0], positions[^1], from, to);
        var ticks = positions.Length <= 12 ? positions : [.. x.Ticks(8)];
        Panel(canvas, x, ticks, Top, "accuracy (%)", p => p.Accuracy, SuspectAccuracy, "suspect");
        Panel(canvas, x, ticks, Top + PanelHeight + PanelGap, "attack success rate (%)", p => p.AttackSuccessRate, Floor, "floor");
        var bottom = Height - 52;
        var free = double.NegativeInfinity;
        foreach (var tick in ticks)
        {
            var text = Markup.Short(tick);
            var half = Markup.Width(text, 12) / 2;
            if (x.Map(tick) - half < free)
                continue;
            free = x.Map(tick) + half + 6;
            canvas.Text(x.Map(tick), bottom + 18, text, Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Text((from + to) / 2, bottom + 38, XLabel, Ink.Text, 13, Anchor.Middle);
    }

    private void Panel(SvgCanvas canvas, Scale x, IEnumerable<double> ticks, double top, string label, Func<CurvePoint, Rate> select, double? reference, string referenceName)
    {
        var values = Curves.SelectMany(c => c.Points).Select(select).ToArray();
        var low = Math.Min(values.Min(v => v.Low), reference ?? 1);
        var high = Math.Max(values.Max(v => v.High), reference ?? 0);
        var step = Math.Max(0.01, Scale.NiceStep(Math.Max(high - low, 0.02) / 5));
        low = Math.Max(0, Math.Floor(low / step + 1e-9) * step);
        high = Math.Min(1, Math.Ceiling(high / step - 1e-9) * step);
        if (high <= low)
            (low, high) = (Math.Max(0, low - step), Math.Min(1, low + step));
        var y = Scale.Linear(low, high, top + PanelHeight, top);
        foreach (var tick in y.Ticks((int)Math.Round((high - low) / step)))
        {
            canvas.Line(Left, y.Map(tick), canvas.Width - 12, y.Map(tick), Ink.Grid);
            canvas.Text(Left - 8, y.Map(tick) + 4, Markup.Number(tick * 100), Ink.Muted, anchor: Anchor.End);
        }

        foreach (var tick in ticks)
            canvas.Line(x.Map(tick), top + PanelHeight, x.Map(tick), top + PanelHeight + 5, Ink.Axis);
        canvas.Line(Left, top, Left, top + PanelHeight, Ink.Axis);
        canvas.Line(Left, top + PanelHeight, canvas.Width - 12, top + PanelHeight, Ink.Axis);
        canvas.VerticalText(18, top + PanelHeight / 2, label, Ink.Text, 13);

        for (var i = 0; i < Curves.Length; i++)
        {
            var points = Curves[i].Points;
            if (points.Length > 1 && points.Any(p => select(p).High > select(p).Low))
            {
                var upper = points.Select(p => (x.Map(p.X), y.Map(select(p).High)));
                var lower = points.Reverse().Select(p => (x.Map(p.X), y.Map(select(p).Low)));
                canvas.Polygon(upper.Concat(lower), Ink.Series[i], 0.15);
            }
        }

        if (reference is { } line)
        {
            canvas.Line(Left, y.Map(line), canvas.Width - 12, y.Map(line), Ink.Text, 1.5, "6 4");
            var above = y.Map(line) - top > 18;
            canvas.Text(canvas.Width - 14, y.Map(line) + (above ? -5 : 14), referenceName, Ink.Text, 12, Anchor.End, halo: true);
        }

        for (var i = 0; i < Curves.Length; i++)
        {
            canvas.Polyline(Curves[i].Points.Select(p => (x.Map(p.X), y.Map(select(p).Value))), Ink.Series[i], 2.2, i % 2 == 1 ? "7 3" : null);
            foreach (var point in Curves[i].Points)
                canvas.Marker(x.Map(point.X), y.Map(select(point).Value), i);
        }
    }

    private List<LegendEntry> Entries() => [.. Curves.Select((c, i) => new LegendEntry(c.Name, Ink.Series[i % Ink.Series.Length], LegendSign.Line, i))];

    private protected override IEnumerable<string> Problems()
    {
        if (Curves.IsDefaultOrEmpty || Curves.Any(c => c.Points.IsDefaultOrEmpty))
            return ["it needs at least one curve, each with at least one point"];
        return ManyProblems();
    }

    private IEnumerable<string> ManyProblems()
    {
        if (Curves.Length > Ink.Series.Length)
            yield return $"{Curves.Length} curves cannot be told apart, draw at most {Ink.Series.Length}";
        foreach (var curve in Curves)
        {
            foreach (var point in curve.Points)
            {
                if (!double.IsFinite(point.X) || (LogarithmicX && point.X <= 0))
                    yield return FormattableString.Invariant($"'{curve.Name}' has a point at {point.X}");
                foreach (var problem in RateProblems($"the accuracy of '{curve.Name}' at {Markup.Short(point.X)}", point.Accuracy)
                    .Concat(RateProblems($"the attack success rate of '{curve.Name}' at {Markup.Short(point.X)}", point.AttackSuccessRate)))
                    yield return problem;
            }

            if (curve.Points.Zip(curve.Points.Skip(1)).Any(p => p.First.X >= p.Second.X))
                yield return $"the points of '{curve.Name}' are not in ascending order";
        }

        foreach (var (name, value) in ((string, double?)[])[("the suspect's accuracy", SuspectAccuracy), ("the floor", Floor)])
        {
            foreach (var problem in RateProblems(name, value is { } v ? Rate.Exact(v) : null))
                yield return problem;
        }
    }
}
