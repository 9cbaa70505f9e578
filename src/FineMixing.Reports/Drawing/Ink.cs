using System.Text;

namespace FineMixing.Reports.Drawing;

/// <summary>A colour with a counterpart for dark backgrounds. The light one is written into the drawing, the dark one into a style rule.</summary>
internal sealed record Ink(string Name, string Light, string Dark)
{
    public static readonly Ink Background = new("bg", "#ffffff", "#16181c");
    public static readonly Ink Text = new("text", "#1b1f24", "#e6e8eb");
    public static readonly Ink Muted = new("muted", "#57606a", "#a2abb5");
    public static readonly Ink Axis = new("axis", "#8b949e", "#767f89");
    public static readonly Ink Grid = new("grid", "#e4e7eb", "#2c3138");
    public static readonly Ink Cloud = new("cloud", "#8c96a1", "#7d8792");

    /// <summary>The colours of Okabe and Ito, told apart by readers with any kind of colour blindness; the hardest to confuse come first.</summary>
    public static readonly Ink[] Series =
    [
        new("s0", "#0072b2", "#4aa8e0"),
        new("s1", "#d55e00", "#f08a3c"),
        new("s2", "#009e73", "#2fc79b"),
        new("s3", "#b0568a", "#e09cc4"),
        new("s4", "#b87f00", "#f0bd3a"),
        new("s5", "#3d4a57", "#c9d1d9"),
        new("s6", "#56b4e9", "#9ad4f5"),
    ];

    /// <summary>Blue stands for accuracy and orange-red for attack success in every chart.</summary>
    public static Ink Accuracy => Series[0];

    /// <inheritdoc cref="Accuracy"/>
    public static Ink Attack => Series[1];

    /// <summary>The rules that replace the light colours; put into a media query by the caller.</summary>
    public static string DarkRules()
    {
        var css = new StringBuilder();
        foreach (var ink in (Ink[])[Background, Text, Muted, Axis, Grid, Cloud, .. Series])
            css.Append(System.Globalization.CultureInfo.InvariantCulture, $".f-{ink.Name}{{fill:{ink.Dark}}}.k-{ink.Name}{{stroke:{ink.Dark}}}");
        return css.ToString();
    }
}
