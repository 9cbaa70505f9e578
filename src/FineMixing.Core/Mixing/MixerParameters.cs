using System.Globalization;

namespace FineMixing.Mixing;

/// <summary>Parameters of the mixers; each uses those its definition names and has defaults for them.</summary>
public sealed record MixerParameters
{
    /// <summary>The weight of each model: the suspect, then the others.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>The share of each model's changes that is kept (TIES, DARE, breadcrumbs), 0..1: the suspect, then the others; one value serves all.</summary>
    public IReadOnlyList<double>? Densities { get; init; }

    /// <summary>The share of the largest changes that is dropped (breadcrumbs), 0..1; one value serves all.</summary>
    public IReadOnlyList<double>? Gammas { get; init; }

    /// <summary>Divide by the sum of the weights.</summary>
    public bool? Normalize { get; init; }

    /// <summary>The position between the base (0) and the suspect (1) of SLERP, or the distance of nearswap.</summary>
    public double? Interpolation { get; init; }

    /// <summary>The factor on the merged change.</summary>
    public double? Scale { get; init; }

    /// <summary>The share of elements SCE selects, 0..1.</summary>
    public double? SelectTopK { get; init; }

    /// <summary>Interpolate row by row instead of the flattened tensor (nuslerp, model stock).</summary>
    public bool? RowWise { get; init; }

    /// <summary>Text of the parameters that are given, by name, as manifests record them.</summary>
    public IReadOnlyDictionary<string, string> ToText()
    {
        var text = new SortedList<string, string>(StringComparer.Ordinal);
        Add("weights", Weights);
        Add("densities", Densities);
        Add("gammas", Gammas);
        Add("interpolation", Interpolation is { } t ? [t] : null);
        Add("scale", Scale is { } s ? [s] : null);
        Add("selectTopK", SelectTopK is { } k ? [k] : null);
        if (Normalize is { } normalize)
            text["normalize"] = normalize ? "true" : "false";
        if (RowWise is { } rowWise)
            text["rowWise"] = rowWise ? "true" : "false";
        return text;

        void Add(string name, IReadOnlyList<double>? values)
        {
            if (values is not null)
                text[name] = string.Join(',', values.Select(Invariant));
        }
    }

    /// <summary>Reads what <see cref="ToText"/> wrote; other names are passed over.</summary>
    /// <exception cref="ArgumentException">A value cannot be read; lists all.</exception>
    public static MixerParameters FromText(IReadOnlyDictionary<string, string> text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var problems = new List<string>();
        var result = new MixerParameters
        {
            Weights = Numbers("weights"),
            Densities = Numbers("densities"),
            Gammas = Numbers("gammas"),
            Interpolation = Number("interpolation"),
            Scale = Number("scale"),
            SelectTopK = Number("selectTopK"),
            Normalize = Flag("normalize"),
            RowWise = Flag("rowWise"),
        };
        return problems.Count == 0 ? result : throw new ArgumentException($"Parameters of a mixing method: {string.Join("; ", problems)}.", nameof(text));

        double[]? Numbers(string name)
        {
            if (!text.TryGetValue(name, out var value))
                return null;
            var parts = value.Split(',');
            var numbers = parts.Select(p => double.TryParse(p, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) ? n : double.NaN).ToArray();
            if (numbers.Any(double.IsNaN))
                problems.Add($"{name} is '{value}'; expected numbers separated by commas");
            return numbers;
        }

        double? Number(string name)
        {
            var numbers = Numbers(name);
            if (numbers is { Length: > 1 })
                problems.Add($"{name} is '{text[name]}'; expected one number");
            return numbers?[0];
        }

        bool? Flag(string name)
        {
            if (!text.TryGetValue(name, out var value))
                return null;
            if (!bool.TryParse(value, out var flag))
                problems.Add($"{name} is '{value}'; expected true or false");
            return flag;
        }
    }

    internal static string Invariant(double value) => value.ToString(CultureInfo.InvariantCulture);
}
