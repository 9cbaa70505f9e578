using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace FineMixing.Checkpoints.Adapters;

/// <summary>Which biases a LoRA adapter carries.</summary>
public enum LoraBias
{
    /// <summary>None were trained.</summary>
    None,

    /// <summary>Those of the adapted modules.</summary>
    LoraOnly,

    /// <summary>All of the model.</summary>
    All,
}

/// <summary>What <c>adapter_config.json</c> says about merging a LoRA adapter into its base.</summary>
/// <remarks>
/// Options that change the merged weights and are not supported are refused, as is any option this version does not know, unless it is off (null, false, 0 or empty):
/// an adapter is merged right or not at all.
/// </remarks>
public sealed record LoraConfig
{
    private const int MaxBytes = 1 << 20;
    private const int MaxRank = 1 << 16;
    private const int MaxPatterns = 500;
    private const double MaxAlpha = 1e9;

    // They steer training, or only name things; a merge does not need them.
    private static readonly HashSet<string> WithoutEffect =
    [
        "auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout",
        "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type",
    ];

    // The others start from weights they change in the base (PiSSA, OLoRA, CorDA, LoftQ): their adapter does not belong to the published base.
    private static readonly HashSet<string> HarmlessInitializations = ["gaussian", "eva", "orthogonal", "kaiming"];

    // Making one takes longer than asking it.
    private readonly ConcurrentDictionary<string, Regex> _expressions = new(StringComparer.Ordinal);

    private LoraConfig()
    {
    }

    /// <summary>The rank of the update, from 1, where <see cref="RankPattern"/> says nothing else.</summary>
    public int Rank { get; private init; }

    /// <summary>The numerator of the scaling, where <see cref="AlphaPattern"/> says nothing else.</summary>
    public double Alpha { get; private init; }

    /// <summary>True for alpha / sqrt(rank) instead of alpha / rank.</summary>
    public bool RankStabilized { get; private init; }

    /// <summary>True when the adapted weights are stored [in, out], as GPT-2's are.</summary>
    public bool FanInFanOut { get; private init; }

    /// <summary>Which biases the adapter carries.</summary>
    public LoraBias Bias { get; private init; }

    /// <summary>Modules that were trained as a whole and are saved in the adapter, such as a classification head.</summary>
    public ImmutableArray<string> ModulesToSave { get; private init; } = [];

    /// <summary>Ranks of the modules whose name ends as a regular expression says; the first that matches counts.</summary>
    public ImmutableArray<KeyValuePair<string, double>> RankPattern { get; private init; } = [];

    /// <summary>Alphas, likewise.</summary>
    public ImmutableArray<KeyValuePair<string, double>> AlphaPattern { get; private init; } = [];

    /// <summary>Reads <c>adapter_config.json</c>.</summary>
    /// <exception cref="FileNotFoundException">It does not exist.</exception>
    /// <exception cref="CheckpointFormatException">It is not valid, or asks for something that is not supported; all problems are listed.</exception>
    public static LoraConfig Read(string path)
    {
        using var file = new CheckpointFile(path);
        return Read(file);
    }

    internal static LoraConfig Read(CheckpointFile file)
    {
        if (file.Length > MaxBytes)
            throw new CheckpointFormatException($"the adapter's configuration has {file.Length} bytes; at most {MaxBytes} are accepted", file.Path);
        var bytes = new byte[file.Length];
        file.Read(0, bytes);
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(document.RootElement, file.Path);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            throw new CheckpointFormatException($"the adapter's configuration is not valid JSON: {exception.Message}", file.Path, innerException: exception);
        }
    }

    /// <summary>The rank the configuration gives a module.</summary>
    /// <param name="module">Its name in the base, for example <c>bert.encoder.layer.0.attention.self.query</c>.</param>
    public int RankOf(string module) => (int)(Find(RankPattern, module) ?? Rank);

    /// <summary>The factor of B·A: alpha / r, or alpha / sqrt(r) when rank-stabilised.</summary>
    /// <param name="module">The module's name in the base.</param>
    /// <remarks>Hu et al. 2021 (LoRA), section 4.1; Kalajdzievski 2023 (rsLoRA), theorem 3.2.</remarks>
    public double ScalingOf(string module)
    {
        var alpha = Find(AlphaPattern, module) ?? Alpha;
        var rank = RankOf(module);
        return alpha / (RankStabilized ? Math.Sqrt(rank) : rank);
    }

    private double? Find(ImmutableArray<KeyValuePair<string, double>> patterns, string module)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (_expressions.GetOrAdd(pattern, Expression).IsMatch(module))
                return value;
        }

        return null;
    }

    private static Regex Expression(string pattern) => new(Anchored(pattern), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    private static string Anchored(string pattern) => $@"\A(?:.*\.)?(?:{pattern})\z";

    private static LoraConfig Parse(JsonElement root, string file)
    {
        var problems = new List<string>();
        if (root.ValueKind != JsonValueKind.Object)
            throw new CheckpointFormatException("the adapter's configuration is not an object", file);
        var config = new LoraConfig { Rank = 8, Alpha = 8 };
        string? type = null;
        foreach (var option in root.EnumerateObject())
        {
            var value = option.Value;
            switch (option.Name)
            {
                case "peft_type":
                    type = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
                    break;
                case "r" when IsRank(value):
                    config = config with { Rank = value.GetInt32() };
                    break;
                case "lora_alpha" when IsAlpha(value):
                    config = config with { Alpha = value.GetDouble() };
                    break;
                case "use_rslora" when IsFlag(value):
                    config = config with { RankStabilized = value.ValueKind == JsonValueKind.True };
                    break;
                case "fan_in_fan_out" when IsFlag(value):
                    config = config with { FanInFanOut = value.ValueKind == JsonValueKind.True };
                    break;
                case "bias" when value.ValueKind == JsonValueKind.String && value.GetString() is "none" or "lora_only" or "all":
                    config = config with { Bias = value.GetString() switch { "none" => LoraBias.None, "all" => LoraBias.All, _ => LoraBias.LoraOnly } };
                    break;
                case "modules_to_save" when IsOff(value):
                    break;
                case "modules_to_save" when value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(m => m.ValueKind == JsonValueKind.String):
                    config = config with { ModulesToSave = [.. value.EnumerateArray().Select(m => m.GetString()!)] };
                    break;
                case "rank_pattern" when IsOff(value) || IsPattern(value, IsRank):
                    config = config with { RankPattern = Pattern(value) };
                    break;
                case "alpha_pattern" when IsOff(value) || IsPattern(value, IsAlpha):
                    config = config with { AlphaPattern = Pattern(value) };
                    break;
                case "init_lora_weights" when IsFlag(value) || (value.ValueKind == JsonValueKind.String && HarmlessInitializations.Contains(value.GetString()!)):
                    break;
                case "init_lora_weights":
                    problems.Add($"'init_lora_weights' is {Shown(value)}: the adapter belongs to a base that this start has changed, not to the published one; convert it to plain LoRA when saving");
                    break;
                case "use_dora" when !IsOff(value):
                    problems.Add("'use_dora' is on: weight-decomposed adapters (DoRA) are not supported; merge it with peft first");
                    break;
                case "rank_pattern" or "alpha_pattern":
                    problems.Add($"'{option.Name}' is {Shown(value)}, which is no object of at most {MaxPatterns} regular expressions (of at most 1000 characters, without look-around) with {(option.Name == "rank_pattern" ? $"whole numbers from 1 to {MaxRank}" : $"numbers from -{MaxAlpha:0} to {MaxAlpha:0}")}");
                    break;
                case "r" or "lora_alpha" or "bias":
                    problems.Add($"'{option.Name}' is {Shown(value)}, which is no {(option.Name == "r" ? $"whole number from 1 to {MaxRank}" : option.Name == "bias" ? "'none', 'lora_only' or 'all'" : $"number from -{MaxAlpha:0} to {MaxAlpha:0}")}");
                    break;
                default:
                    if (!WithoutEffect.Contains(option.Name) && !IsOff(value))
                        problems.Add($"'{option.Name}' is {Shown(value)}, which is not supported");
                    break;
            }
        }

        if (type != "LORA")
            problems.Insert(0, $"'peft_type' is {(type is null ? "missing" : Pickle.PickleText.Quote(type))}; only LORA adapters are read");
        return problems.Count == 0 ? config : throw new CheckpointFormatException($"the adapter cannot be merged:\n  {string.Join("\n  ", problems)}", file);
    }

    private static bool IsRank(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var rank) && rank is >= 1 and <= MaxRank;

    private static bool IsAlpha(JsonElement value) => value.ValueKind == JsonValueKind.Number && Math.Abs(value.GetDouble()) <= MaxAlpha;

    private static bool IsFlag(JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null;

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().MoveNext(),
        JsonValueKind.String => value.ValueEquals(""),
        JsonValueKind.Number => value.TryGetDouble(out var number) && number == 0,
        _ => false,
    };

    private static bool IsPattern(JsonElement value, Func<JsonElement, bool> isValue) =>
        value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Count() <= MaxPatterns && value.EnumerateObject().All(p => isValue(p.Value) && IsRegex(p.Name));

    private static ImmutableArray<KeyValuePair<string, double>> Pattern(JsonElement value) =>
        IsOff(value) ? [] : [.. value.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value.GetDouble()))];

    // A regular expression of a stranger: only those whose time grows with the text's length are taken.
    private static bool IsRegex(string pattern)
    {
        try
        {
            _ = Expression(pattern);
            return pattern.Length <= 1000;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    private static string Shown(JsonElement value)
    {
        var text = value.GetRawText();
        return Pickle.PickleText.Quote(text.Length > 60 ? text[..60] + "…" : text);
    }
}
