using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace FineMixing.Cli.CommandLine;

/// <summary>Options for numbers within a range; anything else is wrong usage, told with what was expected.</summary>
internal static class Numbers
{
    public static Option<int> Whole(string name, string description, int defaultValue, int low, int high = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => int.TryParse(Text(result), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= low && value <= high
            ? value
            : Refuse<int>(result, name, high == int.MaxValue ? $"a whole number of at least {low}" : $"a whole number from {low} to {high}"),
    };

    public static Option<ulong> Unsigned(string name, string description, ulong defaultValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => ulong.TryParse(Text(result), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : Refuse<ulong>(result, name, "a whole number from 0 to 18446744073709551615"),
    };

    public static Option<double> Real(string name, string description, double defaultValue, double low, double high, bool lowAllowed = true) => new(name)
    {
        Description = description,
        HelpName = "X",
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => TryReal(Text(result), out var value) && (lowAllowed ? value >= low : value > low) && value <= high
            ? value
            : Refuse<double>(result, name, Range(low, high, lowAllowed)),
    };

    /// <summary>A share from 0 to 1, or null for the word "auto".</summary>
    public static Option<double?> RatioOrAuto(string name, string description, double? defaultValue) => new(name)
    {
        Description = description,
        HelpName = "X|auto",
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => Text(result) == "auto"
            ? null
            : TryReal(Text(result), out var value) && value is >= 0 and <= 1
                ? value
                : Refuse<double?>(result, name, "a number from 0 to 1, or auto"),
    };

    private static string Text(ArgumentResult result) => result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";

    private static bool TryReal(string text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);

    private static string Range(double low, double high, bool lowAllowed)
    {
        var from = lowAllowed ? "of at least" : "above";
        return double.IsPositiveInfinity(high)
            ? string.Create(CultureInfo.InvariantCulture, $"a number {from} {low}")
            : string.Create(CultureInfo.InvariantCulture, $"a number {from} {low} and at most {high}");
    }

    private static T Refuse<T>(ArgumentResult result, string name, string expected)
    {
        result.AddError($"{name} is '{Text(result)}', expected {expected}.");
        return default!;
    }
}
