using System.Text;
using static FineMixing.Reports.Drawing.Markup;

namespace FineMixing.Reports.Drawing;

/// <summary>Where a text hangs on its point.</summary>
internal enum Anchor
{
    Start,
    Middle,
    End,
}

/// <summary>Collects the shapes of one drawing; the same calls give the same bytes on every machine.</summary>
internal sealed class SvgCanvas(double width, double height)
{
    /// <summary>Named fonts every system has a counterpart of; the drawing needs none while it is made.</summary>
    private const string Fonts = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif";

    private readonly StringBuilder _body = new();

    public double Width { get; } = width;

    public double Height { get; } = height;

    public void Line(double x1, double y1, double x2, double y2, Ink ink, double thickness = 1, string? dash = null) =>
        _body.Append(Inv($"<line x1=\"{Number(x1)}\" y1=\"{Number(y1)}\" x2=\"{Number(x2)}\" y2=\"{Number(y2)}\"{Stroke(ink, thickness, dash)}/>\n"));

    public void Rectangle(double x, double y, double w, double h, Ink fill, double opacity = 1, double radius = 0) =>
        _body.Append(Inv($"<rect x=\"{Number(x)}\" y=\"{Number(y)}\" width=\"{Number(Math.Max(0, w))}\" height=\"{Number(Math.Max(0, h))}\"{(radius > 0 ? $" rx=\"{Number(radius)}\"" : "")}{Fill(fill, opacity)}/>\n"));

    public void Polyline(IEnumerable<(double X, double Y)> points, Ink ink, double thickness = 2, string? dash = null) =>
        _body.Append(Inv($"<polyline points=\"{Join(points)}\" fill=\"none\" stroke-linejoin=\"round\"{Stroke(ink, thickness, dash)}/>\n"));

    public void Polygon(IEnumerable<(double X, double Y)> points, Ink fill, double opacity = 1) =>
        _body.Append(Inv($"<polygon points=\"{Join(points)}\"{Fill(fill, opacity)}/>\n"));

    /// <summary>Many dots of one size in one element.</summary>
    public void Dots(IEnumerable<(double X, double Y)> points, Ink ink, double diameter, double opacity)
    {
        var path = new StringBuilder();
        foreach (var (x, y) in points)
            path.Append(Inv($"M{Number(x)} {Number(y)}h0"));
        if (path.Length > 0)
            _body.Append(Inv($"<path d=\"{path}\" fill=\"none\" stroke-linecap=\"round\" stroke-opacity=\"{Number(opacity)}\"{Stroke(ink, diameter, null)}/>\n"));
    }

    /// <summary>A marker whose form depends on the series too, so that colour is never the only difference.</summary>
    public void Marker(double x, double y, int series, double radius = 4)
    {
        var ink = Ink.Series[series % Ink.Series.Length];
        switch (series % 5)
        {
            case 0:
                _body.Append(Inv($"<circle cx=\"{Number(x)}\" cy=\"{Number(y)}\" r=\"{Number(radius)}\"{Fill(ink, 1)}/>\n"));
                break;
            case 1:
                Polygon([(x, y - radius * 1.25), (x + radius * 1.15, y + radius * 0.85), (x - radius * 1.15, y + radius * 0.85)], ink);
                break;
            case 2:
                Rectangle(x - radius * 0.9, y - radius * 0.9, radius * 1.8, radius * 1.8, ink);
                break;
            case 3:
                Polygon([(x, y - radius * 1.3), (x + radius * 1.3, y), (x, y + radius * 1.3), (x - radius * 1.3, y)], ink);
                break;
            default:
                Polygon([(x, y + radius * 1.25), (x + radius * 1.15, y - radius * 0.85), (x - radius * 1.15, y - radius * 0.85)], ink);
                break;
        }
    }

    /// <summary>A text; a halo outlines its letters in the background's colour, for text over data.</summary>
    public void Text(double x, double y, string text, Ink ink, double size = 12, Anchor anchor = Anchor.Start, bool bold = false, bool halo = false)
    {
        var align = anchor switch { Anchor.Middle => " text-anchor=\"middle\"", Anchor.End => " text-anchor=\"end\"", _ => "" };
        var outline = halo ? Inv($" paint-order=\"stroke\" stroke-linejoin=\"round\" stroke=\"{Ink.Background.Light}\" stroke-width=\"3\"") : "";
        var classes = halo ? $"f-{ink.Name} k-{Ink.Background.Name}" : $"f-{ink.Name}";
        _body.Append(Inv($"<text x=\"{Number(x)}\" y=\"{Number(y)}\" font-size=\"{Number(size)}\"{align}{(bold ? " font-weight=\"600\"" : "")}{outline} class=\"{classes}\" fill=\"{ink.Light}\">{Escape(text)}</text>\n"));
    }

    /// <summary>Text that reads upwards, for the label of a vertical axis.</summary>
    public void VerticalText(double x, double y, string text, Ink ink, double size = 12) =>
        _body.Append(Inv($"<text transform=\"translate({Number(x)} {Number(y)}) rotate(-90)\" font-size=\"{Number(size)}\" text-anchor=\"middle\" class=\"f-{ink.Name}\" fill=\"{ink.Light}\">{Escape(text)}</text>\n"));

    /// <summary>The whole drawing.</summary>
    /// <param name="title">Read out instead of the picture.</param>
    /// <param name="description">Read out after the title.</param>
    /// <param name="standalone">A file of its own (with its style rules) rather than a part of a page.</param>
    public string ToSvg(string title, string? description, bool standalone)
    {
        var style = standalone ? $"<style>@media (prefers-color-scheme: dark){{{Ink.DarkRules()}}}</style>\n" : "";
        var size = standalone ? Inv($" width=\"{Number(Width)}\" height=\"{Number(Height)}\"") : "";
        var desc = string.IsNullOrEmpty(description) ? "" : $"<desc>{Escape(description)}</desc>\n";
        return Inv($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Number(Width)} {Number(Height)}\"{size} role=\"img\" font-family=\"{Fonts}\">\n")
            + $"<title>{Escape(title)}</title>\n{desc}{style}"
            + Inv($"<rect width=\"100%\" height=\"100%\"{Fill(Ink.Background, 1)}/>\n")
            + _body + "</svg>\n";
    }

    private static string Stroke(Ink ink, double thickness, string? dash) =>
        Inv($" class=\"k-{ink.Name}\" stroke=\"{ink.Light}\" stroke-width=\"{Number(thickness)}\"{(dash is null ? "" : $" stroke-dasharray=\"{dash}\"")}");

    private static string Fill(Ink ink, double opacity) =>
        Inv($" class=\"f-{ink.Name}\" fill=\"{ink.Light}\"{(opacity < 1 ? $" fill-opacity=\"{Number(opacity)}\"" : "")}");

    private static string Join(IEnumerable<(double X, double Y)> points) => string.Join(' ', points.Select(p => $"{Number(p.X)},{Number(p.Y)}"));

    private static string Inv(FormattableString text) => FormattableString.Invariant(text);
}
