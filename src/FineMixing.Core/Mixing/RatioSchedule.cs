using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FineMixing.Mixing;

/// <summary>How steeply ratios fall from the lowest to the highest layer.</summary>
public enum RatioSlope
{
    /// <summary>By 0.4 from the bottom of the encoder to its top.</summary>
    Gentle,

    /// <summary>By 1.2, cut at 0 and 1.</summary>
    Steep,
}

/// <summary>The reserve ratio of each tensor: the same everywhere, by depth, or by name pattern.</summary>
/// <remarks>
/// Text forms: <c>uniform</c>; <c>reset-top:3</c>; <c>reset-top:half</c>; <c>falling</c>; <c>falling-steep</c>; or a list of patterns such as
/// <c>encoder.layer.[3-5].*=0;*=0.8</c>. In a pattern <c>*</c> stands for any characters, <c>?</c> for one, <c>[3-5,8]</c> for whole numbers; it may begin at
/// any part of the name; the first that fits decides, and tensors that none fits have the reserve ratio.
/// </remarks>
[JsonConverter(typeof(RatioScheduleJson))]
public sealed class RatioSchedule : IEquatable<RatioSchedule>
{
    private readonly string _text;
    private const int Half = -1;
    private readonly int _resetLayers;
    private readonly RatioSlope? _slope;
    private readonly NamePattern[] _patterns;

    private RatioSchedule(string text, int resetLayers = 0, RatioSlope? slope = null, NamePattern[]? patterns = null)
    {
        _text = text;
        _resetLayers = resetLayers;
        _slope = slope;
        _patterns = patterns ?? [];
    }

    /// <summary>The reserve ratio everywhere.</summary>
    public static RatioSchedule Uniform { get; } = new("uniform");

    /// <summary>Gives the top layers and the pooler back to the base (ratio 0); the reserve ratio elsewhere.</summary>
    /// <param name="layers">How many layers, at least 1.</param>
    public static RatioSchedule ResetTop(int layers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        return new RatioSchedule(string.Create(CultureInfo.InvariantCulture, $"reset-top:{layers}"), resetLayers: layers);
    }

    /// <summary>As <see cref="ResetTop"/>, for the upper half of the layers (rounded up).</summary>
    public static RatioSchedule ResetTopHalf { get; } = new("reset-top:half", resetLayers: Half);

    /// <summary>Ratios that fall along a line from the lowest to the highest layer; the mean over the layers is the reserve ratio.</summary>
    /// <remarks>Layer l of L has clamp(c - slope * (l + 0.5) / L, 0, 1), c chosen so that the mean is kept. Embeddings go with the lowest layer, everything after the last layer with the highest.</remarks>
    public static RatioSchedule FallingWithDepth(RatioSlope slope = RatioSlope.Gentle) => new(slope == RatioSlope.Steep ? "falling-steep" : "falling", slope: slope);

    /// <summary>Reads a text form.</summary>
    /// <exception cref="ArgumentException">The text is none of the forms; lists all problems.</exception>
    public static RatioSchedule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = text.Trim();
        switch (text)
        {
            case "uniform":
                return Uniform;
            case "falling":
                return FallingWithDepth();
            case "falling-steep":
                return FallingWithDepth(RatioSlope.Steep);
        }

        if (text == ResetTopHalf._text)
            return ResetTopHalf;
        if (text.StartsWith("reset-top:", StringComparison.Ordinal))
        {
            return int.TryParse(text.AsSpan(10), NumberStyles.None, CultureInfo.InvariantCulture, out var layers) && layers >= 1
                ? ResetTop(layers)
                : throw new ArgumentException($"Schedule '{text}': expected a whole number of layers, 1 or more, or 'half', for example reset-top:3.", nameof(text));
        }

        return ParsePatterns(text);
    }

    /// <summary>The ratio of every tensor.</summary>
    /// <param name="names">The names of the model's tensors; the number of layers is found from them.</param>
    /// <param name="reserveRatio">The ratio of tensors the schedule says nothing about, or the mean; 0..1.</param>
    /// <exception cref="ArgumentException">The schedule needs more layers than the names show, or has a pattern that no name fits.</exception>
    public IReadOnlyDictionary<string, double> Resolve(IReadOnlyCollection<string> names, double reserveRatio)
    {
        var ratioOf = Prepare(names, reserveRatio);
        var result = new Dictionary<string, double>(names.Count, StringComparer.Ordinal);
        foreach (var name in names)
            result[name] = ratioOf(name);
        return result;
    }

    /// <summary>What gives each of a model's tensors its ratio.</summary>
    /// <inheritdoc cref="Resolve" path="/param"/>
    /// <inheritdoc cref="Resolve" path="/exception"/>
    internal Func<string, double> Prepare(IReadOnlyCollection<string> names, double reserveRatio)
    {
        var layers = _resetLayers != 0 || _slope is not null ? TensorNames.CountLayers(names) : 0;
        var reset = _resetLayers == Half ? (layers + 1) / 2 : _resetLayers;
        if (reset > layers || (_resetLayers == Half && layers == 0) || (_slope is not null && layers == 0))
            throw new ArgumentException($"Schedule '{_text}' needs {Math.Max(1, reset)} or more layers, but the tensor names show {layers}.");
        var unused = _patterns.Where(p => !names.Any(p.Fits)).Select(p => $"'{p.Text}'").ToList();
        if (unused.Count > 0)
            throw new ArgumentException($"Schedule '{_text}': no tensor has a name that fits {string.Join(" or ", unused)}.");
        var byLayer = _slope is { } slope ? Falling(layers, reserveRatio, slope == RatioSlope.Steep ? 1.2 : 0.4) : [];
        return name => RatioOf(name, layers, reset, byLayer, reserveRatio);
    }

    /// <summary>The text form.</summary>
    public override string ToString() => _text;

    /// <inheritdoc/>
    public bool Equals(RatioSchedule? other) => other is not null && other._text == _text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as RatioSchedule);

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    private double RatioOf(string name, int layers, int reset, double[] byLayer, double reserveRatio)
    {
        if (reset > 0)
            return TensorNames.LayerOf(name) >= layers - reset || TensorNames.IsPooler(name) ? 0 : reserveRatio;
        if (_slope is not null)
            return byLayer[TensorNames.LayerOf(name) ?? (TensorNames.RoleOf(name) == TensorRole.Embedding || name.Contains("embed", StringComparison.Ordinal) ? 0 : layers - 1)];
        foreach (var pattern in _patterns)
        {
            if (pattern.Fits(name))
                return pattern.Ratio;
        }

        return reserveRatio;
    }

    private static double[] Falling(int layers, double mean, double slope)
    {
        // The mean of the clamped line grows with its offset, so the offset that keeps the mean is found by halving.
        double low = -1, high = 1 + slope;
        var ratios = new double[layers];
        for (var step = 0; step < 100; step++)
        {
            var offset = (low + high) / 2;
            for (var l = 0; l < layers; l++)
                ratios[l] = Math.Clamp(offset - (slope * (l + 0.5) / layers), 0, 1);
            if (ratios.Average() < mean)
                low = offset;
            else
                high = offset;
        }

        return ratios;
    }

    private static RatioSchedule ParsePatterns(string text)
    {
        var problems = new List<string>();
        var patterns = new List<NamePattern>();
        foreach (var part in text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var equals = part.LastIndexOf('=');
            if (equals <= 0)
                problems.Add($"'{part}' is not PATTERN=RATIO");
            else if (!double.TryParse(part.AsSpan(equals + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio) || !(ratio >= 0 && ratio <= 1))
                problems.Add($"'{part[(equals + 1)..]}' is not a ratio from 0 to 1");
            else if (NamePattern.Parse(part[..equals].Trim(), ratio) is { } pattern)
                patterns.Add(pattern);
            else
                problems.Add($"'{part[..equals]}' has a bracket that is not a list of whole numbers such as [3-5,8]");
        }

        if (patterns.Count == 0 && problems.Count == 0)
            problems.Add("it is empty");
        if (problems.Count > 0)
            throw new ArgumentException($"Schedule '{text}': {string.Join("; ", problems)}. Expected uniform, reset-top:N, falling, falling-steep, or patterns such as encoder.layer.[3-5].*=0;*=0.8.", nameof(text));
        return new RatioSchedule(string.Join(';', patterns.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Text}={p.Ratio}"))), patterns: [.. patterns]);
    }
}

/// <summary>Writes a schedule as its text form.</summary>
internal sealed class RatioScheduleJson : JsonConverter<RatioSchedule>
{
    public override RatioSchedule Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return RatioSchedule.Parse(reader.GetString() ?? string.Empty);
        }
        catch (ArgumentException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    public override void Write(Utf8JsonWriter writer, RatioSchedule value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
