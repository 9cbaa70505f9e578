using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FineMixing.Checkpoints;

namespace FineMixing.Models;

/// <summary>The architecture of a BERT encoder with or without a sequence-classification head, as a Hugging Face <c>config.json</c> describes it.</summary>
public sealed record ModelConfig
{
    /// <summary>Number of word pieces.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the hidden states.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of encoder layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads per layer; divides <see cref="HiddenSize"/>.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the feed-forward blocks.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The longest sequence, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Number of token types (segments).</summary>
    public int TypeVocabularySize { get; init; } = 2;

    /// <summary>Activation of the feed-forward blocks: <c>gelu</c> (exact), <c>gelu_new</c> (tanh form) or <c>relu</c>.</summary>
    public string Activation { get; init; } = "gelu";

    /// <summary>Added to the variance by layer normalisation.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-12;

    /// <summary>Dropout probability of hidden states while training.</summary>
    public double HiddenDropout { get; init; } = 0.1;

    /// <summary>Dropout probability of attention weights while training.</summary>
    public double AttentionDropout { get; init; } = 0.1;

    /// <summary>Dropout probability before the classifier; <see cref="HiddenDropout"/> when the file names none.</summary>
    public double ClassifierDropout { get; init; } = 0.1;

    /// <summary>The id that fills short rows of a batch.</summary>
    public int PadTokenId { get; init; }

    /// <summary>Standard deviation of newly initialised weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>The names of the classes, by index. At least two for a classifier.</summary>
    public ImmutableArray<string> Labels { get; init; } = ["LABEL_0", "LABEL_1"];

    /// <summary>The file's JSON, kept so that saving loses nothing.</summary>
    public string SourceJson { get; init; } = "{}";

    /// <summary>Number of classes.</summary>
    public int LabelCount => Labels.Length;

    /// <summary>Width of one attention head.</summary>
    public int HeadSize => HiddenSize / Heads;

    /// <summary>Reads <c>config.json</c>.</summary>
    /// <exception cref="ModelFormatException">The file is missing, not JSON, of another architecture, or lacks or contradicts required values; all problems are listed.</exception>
    public static ModelConfig FromFile(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFormatException($"'{path}' does not exist; a model folder needs a config.json.", e);
        }

        return Parse(text, path);
    }

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">The file's name, for messages.</param>
    /// <exception cref="ModelFormatException">See <see cref="FromFile"/>.</exception>
    public static ModelConfig Parse(string json, string source)
    {
        JsonObject root;
        try
        {
            root = JsonNode.Parse(json) as JsonObject ?? throw new ModelFormatException($"'{source}': expected one JSON object.");
        }
        catch (JsonException e)
        {
            throw new ModelFormatException($"'{source}' is not valid JSON: {e.Message}", e);
        }

        var reader = new Reader(root, source);
        var type = reader.Text("model_type", "");
        if (type != "bert")
            throw new ModelFormatException($"'{source}': model_type is '{type}'; this version reads 'bert'.");
        if (reader.Text("position_embedding_type", "absolute") is var positions and not "absolute")
            reader.Problem($"position_embedding_type is '{positions}'; only 'absolute' is supported");
        if (reader.Flag("is_decoder"))
            reader.Problem("is_decoder is true; only encoders are supported");
        var activation = reader.Text("hidden_act", "gelu");
        if (activation is not ("gelu" or "gelu_new" or "gelu_pytorch_tanh" or "relu"))
            reader.Problem($"hidden_act is '{activation}'; supported are gelu, gelu_new, gelu_pytorch_tanh and relu");
        var hiddenDropout = reader.Probability("hidden_dropout_prob", 0.1);
        var config = new ModelConfig
        {
            VocabularySize = reader.Count("vocab_size", 30522),
            HiddenSize = reader.Count("hidden_size", 768),
            Layers = reader.Count("num_hidden_layers", 12),
            Heads = reader.Count("num_attention_heads", 12),
            IntermediateSize = reader.Count("intermediate_size", 3072),
            MaxPositions = reader.Count("max_position_embeddings", 512),
            TypeVocabularySize = reader.Count("type_vocab_size", 2),
            Activation = activation,
            LayerNormEpsilon = reader.Number("layer_norm_eps", 1e-12),
            HiddenDropout = hiddenDropout,
            AttentionDropout = reader.Probability("attention_probs_dropout_prob", 0.1),
            ClassifierDropout = reader.Probability("classifier_dropout", hiddenDropout),
            PadTokenId = reader.Integer("pad_token_id", 0),
            InitializerRange = reader.Number("initializer_range", 0.02),
            Labels = reader.Labels(),
            SourceJson = json,
        };
        if (config.HiddenSize % config.Heads != 0)
            reader.Problem(string.Create(CultureInfo.InvariantCulture, $"hidden_size {config.HiddenSize} is not a multiple of num_attention_heads {config.Heads}"));
        if (config.PadTokenId < 0 || config.PadTokenId >= config.VocabularySize)
            reader.Problem(string.Create(CultureInfo.InvariantCulture, $"pad_token_id {config.PadTokenId} is outside the vocabulary of {config.VocabularySize}"));
        reader.ThrowIfAny();
        return config;
    }

    /// <summary>The text of a <c>config.json</c> for a sequence classifier: every key of the source kept, architecture, labels and dtype set.</summary>
    /// <param name="dtype">The weights' type as PyTorch names it, for example <c>float16</c>.</param>
    public string ToClassifierJson(string dtype)
    {
        var root = JsonNode.Parse(SourceJson) as JsonObject ?? [];
        root["architectures"] = new JsonArray("BertForSequenceClassification");
        root["model_type"] = "bert";
        root["vocab_size"] = VocabularySize;
        root["hidden_size"] = HiddenSize;
        root["num_hidden_layers"] = Layers;
        root["num_attention_heads"] = Heads;
        root["intermediate_size"] = IntermediateSize;
        root["max_position_embeddings"] = MaxPositions;
        root["type_vocab_size"] = TypeVocabularySize;
        root["hidden_act"] = Activation;
        root["layer_norm_eps"] = LayerNormEpsilon;
        root["hidden_dropout_prob"] = HiddenDropout;
        root["attention_probs_dropout_prob"] = AttentionDropout;
        root["pad_token_id"] = PadTokenId;
        root["problem_type"] = "single_label_classification";
        HeadLabels.Set(root, Labels);
        root.Remove("torch_dtype");
        root["dtype"] = dtype;
        return root.ToJsonString(JsonOptions) + "\n";
    }

    private static readonly JsonSerializerOptions JsonOptions = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private sealed class Reader(JsonObject root, string source)
    {
        private readonly List<string> _problems = [];

        public void Problem(string text) => _problems.Add(text);

        public void ThrowIfAny()
        {
            if (_problems.Count > 0)
                throw new ModelFormatException($"'{source}': {string.Join("; ", _problems)}.");
        }

        public string Text(string key, string fallback) => Get<string>(key, "text") ?? fallback;

        public bool Flag(string key) => root[key] is JsonValue v && v.TryGetValue<bool>(out var flag) && flag;

        public double Number(string key, double fallback)
        {
            if (root[key] is null)
                return fallback;
            if (root[key] is JsonValue v && v.TryGetValue<double>(out var number) && double.IsFinite(number) && number >= 0)
                return number;
            Problem($"{key} must be a number of at least 0");
            return fallback;
        }

        public double Probability(string key, double fallback)
        {
            var value = Number(key, fallback);
            if (value is >= 0 and < 1)
                return value;
            Problem($"{key} must be at least 0 and below 1");
            return fallback;
        }

        public int Integer(string key, int fallback)
        {
            if (root[key] is null)
                return fallback;
            if (root[key] is JsonValue v && v.TryGetValue<int>(out var number))
                return number;
            Problem($"{key} must be an integer");
            return fallback;
        }

        public int Count(string key, int fallback)
        {
            var value = Integer(key, fallback);
            if (value is >= 1 and <= 10_000_000)
                return value;
            Problem(string.Create(CultureInfo.InvariantCulture, $"{key} is {value}; expected 1 to 10,000,000"));
            return fallback;
        }

        public ImmutableArray<string> Labels()
        {
            if (root["id2label"] is JsonObject map)
            {
                var names = new string?[map.Count];
                foreach (var (key, value) in map)
                {
                    if (int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < names.Length && value is JsonValue v && v.TryGetValue<string>(out var name))
                        names[index] = name;
                }

                if (names.Length >= 1 && names.All(n => n is not null))
                    return [.. names!];
                Problem("id2label must name every class from 0 without a gap");
            }

            var count = Integer("num_labels", 2);
            if (count is < 1 or > 100_000)
            {
                Problem("num_labels must be 1 to 100,000");
                count = 2;
            }

            return [.. Enumerable.Range(0, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"LABEL_{i}"))];
        }

        private T? Get<T>(string key, string kind)
        {
            if (root[key] is null)
                return default;
            if (root[key] is JsonValue v && v.TryGetValue<T>(out var value))
                return value;
            Problem($"{key} must be {kind}");
            return default;
        }
    }
}
