using System.Collections.Immutable;
using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>What one defence left of accuracy and of the backdoor.</summary>
/// <param name="Name">The defence; the suspect as it is would be "no defence".</param>
/// <param name="Accuracy">Accuracy on clean data.</param>
/// <param name="AttackSuccessRate">Share of triggered samples of other labels that get the target label; null when no trigger is known.</param>
/// <param name="Floor">The share of the same samples that get the target label without the trigger, 0..1; null when unknown.</param>
public sealed record DefenceBar(string Name, Rate Accuracy, Rate? AttackSuccessRate = null, double? Floor = null);

/// <summary>Accuracy and attack success rate of each defence side by side, with intervals and the floor: the rate without the trigger.</summary>
public sealed record DefenceBarChart : Chart
{
    private const double BarHeight = 15;
    private const double GroupGap = 18;

    /// <summary>The defences, from top to bottom.</summary>
    public required ImmutableArray<DefenceBar> Bars { get; init; }

    private bool HasFloor => Bars.Any(b => b.Floor is not null);

    private bool HasAttack => Bars.Any(b => b.AttackSuccessRate is not null);

    private double GroupHeight => (HasAttack ? 2 * BarHeight + 3 : BarHeight) + GroupGap;

    private protected override double Height => Top + Bars.Length * GroupHeight + 46;

    private double Top => 40 + Legend.Height(Entries()) + 8;

    private protected override void Draw(SvgCanvas canvas)
    {
        Legend.Draw(canvas, 38, Entries());
        var left = 24 + Math.Min(250, Bars.Max(b => Markup.Width(b.Name, 13)));
        var scale = Scale.Linear(0, 1, left, canvas.Width - 64);
        var bottom = Top + Bars.Length * GroupHeight;
        for (var percent = 0; percent <= 100; percent += 20)
        {
            var x = scale.Map(percent / 100.0);
            canvas.Line(x, Top, x, bottom, percent == 0 ? Ink.Axis : Ink.Grid);
            canvas.Text(x, bottom + 18, Markup.Number(percent), Ink.Muted, anchor: Anchor.Middle);
        }

        canvas.Text((scale.Map(0) + scale.Map(1)) / 2, bottom + 36, "percent", Ink.Muted, anchor: Anchor.Middle);
        for (var i = 0; i < Bars.Length; i++)
        {
            var bar = Bars[i];
            var y = Top + i * GroupHeight + GroupGap / 2;
            canvas.Text(left - 10, y + (GroupHeight - GroupGap) / 2 + 4.5, Markup.Fit(bar.Name, 13, 250), Ink.Text, 13, Anchor.End);
            DrawBar(canvas, scale, y, bar.Accuracy, Ink.Accuracy);
            if (bar.AttackSuccessRate is not { } attack)
                continue;
            DrawBar(canvas, scale, y + BarHeight + 3, attack, Ink.Attack);
            if (bar.Floor is { } floor)
            {
                canvas.Line(scale.Map(floor), y + BarHeight, scale.Map(floor), y + 2 * BarHeight + 7, Ink.Background, 4.5);
                canvas.Line(scale.Map(floor), y + BarHeight, scale.Map(floor), y + 2 * BarHeight + 7, Ink.Text, 2, "3 2");
            }
        }
    }

    private static void DrawBar(SvgCanvas canvas, Scale scale, double y, Rate rate, Ink ink)
    {
        canvas.Rectangle(scale.Map(0), y, scale.Map(rate.Value) - scale.Map(0), BarHeight, ink);
        var middle = y + BarHeight / 2;
        if (rate.High > rate.Low)
        {
            // Outlined, so that it stands out from its bar in light and in dark.
            foreach (var (line, thickness) in ((Ink, double)[])[(Ink.Background, 4), (Ink.Text, 1.5)])
            {
                canvas.Line(scale.Map(rate.Low), middle, scale.Map(rate.High), middle, line, thickness);
                canvas.Line(scale.Map(rate.Low), middle - 4, scale.Map(rate.Low), middle + 4, line, thickness);
                canvas.Line(scale.Map(rate.High), middle - 4, scale.Map(rate.High), middle + 4, line, thickness);
            }
        }

        canvas.Text(scale.Map(Math.Max(rate.Value, rate.High)) + 7, middle + 4.5, Markup.Percent(rate.Value), Ink.Text, 12, halo: true);
    }

    private List<LegendEntry> Entries()
    {
        var entries = new List<LegendEntry> { new("accuracy on clean text", Ink.Accuracy, LegendSign.Box) };
        if (HasAttack)
            entries.Add(new("attack success rate", Ink.Attack, LegendSign.Box));
        if (HasFloor)
            entries.Add(new("floor: rate of the target label without the trigger", Ink.Text, LegendSign.Dashed));
        return entries;
    }

    private protected override IEnumerable<string> Problems()
    {
        if (Bars.IsDefaultOrEmpty)
            return ["it has no bars"];
        return Bars.SelectMany(b => RateProblems($"the accuracy of '{b.Name}'", b.Accuracy)
            .Concat(RateProblems($"the attack success rate of '{b.Name}'", b.AttackSuccessRate))
            .Concat(RateProblems($"the floor of '{b.Name}'", b.Floor is { } f ? Rate.Exact(f) : null)));
    }
}
