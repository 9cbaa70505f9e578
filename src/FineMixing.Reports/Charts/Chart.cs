using FineMixing.Reports.Drawing;

namespace FineMixing.Reports.Charts;

/// <summary>A picture of plain values. The same values give the same bytes on every machine.</summary>
public abstract record Chart
{
    internal const double CanvasWidth = 760;

    /// <summary>The heading, drawn above the picture.</summary>
    public required string Title { get; init; }

    /// <summary>A sentence on how to read it, shown below the picture in a report; may be empty.</summary>
    public string Caption { get; init; } = "";

    /// <summary>The chart as an SVG document of its own, in light colours, or dark ones where the viewer asks for them.</summary>
    /// <exception cref="ArgumentException">A value cannot be drawn; the message lists every one.</exception>
    public string ToSvg() => Render(standalone: true);

    internal string Render(bool standalone)
    {
        var problems = Problems().ToList();
        if (problems.Count > 0)
            throw new ArgumentException($"The chart '{Title}' cannot be drawn: {string.Join("; ", problems)}.");
        var canvas = new SvgCanvas(CanvasWidth, Height);
        canvas.Text(12, 24, Title, Ink.Text, 16, bold: true);
        Draw(canvas);
        return canvas.ToSvg(Title, Caption, standalone);
    }

    private protected abstract double Height { get; }

    private protected abstract void Draw(SvgCanvas canvas);

    private protected abstract IEnumerable<string> Problems();

    private protected static IEnumerable<string> RateProblems(string name, Rate? rate)
    {
        if (rate is { IsValid: false } bad)
            yield return FormattableString.Invariant($"{name} is {bad.Value} in [{bad.Low}, {bad.High}], expected 0 <= low <= value <= high <= 1");
    }
}
