using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Provenance;
using FineMixing.Tokenization;
using Microsoft.Extensions.Logging;

namespace FineMixing.Models;

/// <summary>A Hugging Face model folder of a BERT encoder, with or without a classification head.</summary>
public sealed class ModelFolder
{
    private const string WordEmbeddings = "bert.embeddings.word_embeddings.weight";

    private ModelFolder(string path, ModelConfig config, ITextTokenizer tokenizer, StateDict weights, DType dtype)
    {
        (Path, Config, Tokenizer, Weights, DType) = (path, config, tokenizer, weights, dtype);
    }

    /// <summary>The folder, as given.</summary>
    public string Path { get; }

    /// <summary>The architecture.</summary>
    public ModelConfig Config { get; }

    /// <summary>The tokenizer.</summary>
    public ITextTokenizer Tokenizer { get; }

    /// <summary>The weights under their canonical names (<c>bert.*</c>, <c>classifier.*</c>), in the types they are stored in.</summary>
    public StateDict Weights { get; }

    /// <summary>The type most weights are stored in.</summary>
    public DType DType { get; }

    /// <summary>True when the folder has a classification head.</summary>
    public bool HasClassifier => Weights.TryGetTensor("classifier.weight", out _);

    /// <summary>Opens a folder with <c>config.json</c>, <c>vocab.txt</c> or <c>tokenizer.json</c>, and weights.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="logger">Told which file was taken where there is a choice.</param>
    /// <param name="checkpoint">The weights, where they do not come from the folder itself (an adapter on its base); otherwise null.</param>
    /// <exception cref="ModelFormatException">The folder is incomplete, contradicts itself, or has weights that are not finite.</exception>
    /// <exception cref="CheckpointFormatException">A weight file is broken.</exception>
    public static ModelFolder Open(string path, ILogger? logger = null, ICheckpoint? checkpoint = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
            throw new ModelFormatException($"'{path}' is not a folder; expected a model folder with config.json, vocab.txt or tokenizer.json, and model.safetensors.");
        var config = ModelConfig.FromFile(System.IO.Path.Combine(path, "config.json"));
        var tokenizer = WordPieceTokenizer.FromFolder(path);
        if (tokenizer.VocabularySize > config.VocabularySize)
            throw new ModelFormatException(string.Create(CultureInfo.InvariantCulture, $"'{path}': the tokenizer has {tokenizer.VocabularySize} tokens, but config.json says vocab_size {config.VocabularySize}."));
        using var source = checkpoint ?? Checkpoint.Open(path, logger);
        var weights = Canonical(StateDict.Load(source), path);
        if (weights.TryGetTensor("classifier.weight", out var head) && head.Shape.Length == 2 && head.Shape[0] != config.LabelCount)
            throw new ModelFormatException(string.Create(CultureInfo.InvariantCulture, $"'{path}': the classifier has {head.Shape[0]} classes, but config.json names {config.LabelCount}."));
        CheckFinite(weights, path);
        var dtype = weights.Tensors.GroupBy(t => t.DType).MaxBy(g => g.Sum(t => t.ElementCount))?.Key
            ?? throw new ModelFormatException($"'{path}': the checkpoint has no tensors.");
        return new ModelFolder(path, config, tokenizer, weights, dtype);
    }

    /// <summary>The folder's classifier.</summary>
    /// <exception cref="ModelFormatException">There is no classification head.</exception>
    public ClassifierModel ToClassifier() => HasClassifier
        ? new ClassifierModel(Config, Tokenizer, WithPooler(Weights, 0))
        : throw new ModelFormatException($"'{Path}' has no classification head (classifier.weight); it is a pre-trained encoder, not a classifier.");

    /// <summary>The folder's encoder with a newly initialised head, for training a classifier.</summary>
    /// <param name="labels">Names of the classes, at least two.</param>
    /// <param name="seed">Decides the initial head.</param>
    public ClassifierModel WithNewHead(IReadOnlyList<string> labels, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Count < 2)
            throw new ArgumentException($"A classifier needs at least two classes, not {labels.Count}.", nameof(labels));
        var weights = new StateDict(Path);
        foreach (var info in Weights.Tensors.Where(t => !t.Name.StartsWith("classifier.", StringComparison.Ordinal)))
            weights.Add(Weights[info.Name]);
        weights = WithPooler(weights, seed);
        weights.Add(NewWeights.Normal("classifier.weight", [labels.Count, Config.HiddenSize], Config.InitializerRange, seed));
        weights.Add(NewWeights.Zeros("classifier.bias", [labels.Count]));
        return new ClassifierModel(Config with { Labels = [.. labels] }, Tokenizer, weights);
    }

    /// <summary>Writes a classifier as a model folder that FineMixing and Hugging Face transformers load: all files or none.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="folder">The new folder.</param>
    /// <param name="tokenizerFrom">A model folder whose tokenizer files are copied.</param>
    /// <param name="dtype">The stored type of the weights: F32, F16 or BF16.</param>
    /// <param name="manifest">How the model was made; with the hashes of its files it is written beside them.</param>
    /// <param name="overwrite">Whether a folder that has files may be written to.</param>
    /// <param name="cancellationToken">Cancels; nothing is left behind.</param>
    /// <returns>Full paths of the weight files.</returns>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    public static IReadOnlyList<string> Save(
        ClassifierModel model, string folder, string tokenizerFrom, DType dtype = DType.F32, ProvenanceManifest? manifest = null,
        bool overwrite = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!overwrite)
            RefuseExisting(folder);
        var stored = new StateDict(folder);
        foreach (var info in model.Weights.Tensors)
            stored.Add(model.Weights[info.Name].ConvertTo(dtype));
        var extra = new Dictionary<string, ReadOnlyMemory<byte>>
        {
            ["config.json"] = System.Text.Encoding.UTF8.GetBytes(model.Config.ToClassifierJson(TorchName(dtype))),
        };
        foreach (var name in TokenizerFiles.Where(f => File.Exists(System.IO.Path.Combine(tokenizerFrom, f))))
            extra.TryAdd(name, File.ReadAllBytes(System.IO.Path.Combine(tokenizerFrom, name)));
        return CheckpointWriter.Write(stored, folder, new CheckpointWriterOptions { Overwrite = overwrite, Manifest = manifest, ExtraFiles = extra }, cancellationToken);
    }

    /// <summary>Refuses a target folder that already has something in it.</summary>
    /// <exception cref="IOException">It exists and is not empty, or is a file.</exception>
    public static void RefuseExisting(string folder)
    {
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new IOException($"The output '{folder}' already exists and is not overwritten; name a new folder.");
    }

    /// <summary>Files of a model folder that belong to its tokenizer.</summary>
    public static IReadOnlyList<string> TokenizerFiles { get; } =
        ["vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

    private static StateDict Canonical(StateDict weights, string path)
    {
        var result = new StateDict(path);
        var problems = new List<string>();
        foreach (var info in weights.Tensors)
        {
            if (CanonicalName(info.Name) is not { } name)
                continue;
            if (result.TryGetTensor(name, out _))
                problems.Add($"'{info.Name}' and another tensor both mean '{name}'");
            else
                result.Add(new HostTensor(info.WithName(name), weights[info.Name].Bytes));
        }

        if (!result.TryGetTensor(WordEmbeddings, out _))
            problems.Add($"there is no '{WordEmbeddings}'");
        return problems.Count == 0 ? result : throw new ModelFormatException($"'{path}': {string.Join("; ", problems)}.");
    }

    // Null for buffers without learned weights and for heads of other tasks, which a classifier does not use.
    private static string? CanonicalName(string name)
    {
        if (name.EndsWith(".position_ids", StringComparison.Ordinal) || name == "position_ids" || name.StartsWith("cls.", StringComparison.Ordinal) || name.StartsWith("qa_outputs.", StringComparison.Ordinal))
            return null;
        if (name.StartsWith("embeddings.", StringComparison.Ordinal) || name.StartsWith("encoder.", StringComparison.Ordinal) || name.StartsWith("pooler.", StringComparison.Ordinal))
            name = "bert." + name;
        return name.Replace("LayerNorm.gamma", "LayerNorm.weight", StringComparison.Ordinal).Replace("LayerNorm.beta", "LayerNorm.bias", StringComparison.Ordinal);
    }

    private StateDict WithPooler(StateDict weights, ulong seed)
    {
        if (weights.TryGetTensor("bert.pooler.dense.weight", out _))
            return weights;
        var result = new StateDict(Path);
        foreach (var info in weights.Tensors)
            result.Add(weights[info.Name]);
        result.Add(NewWeights.Normal("bert.pooler.dense.weight", [Config.HiddenSize, Config.HiddenSize], Config.InitializerRange, seed));
        result.Add(NewWeights.Zeros("bert.pooler.dense.bias", [Config.HiddenSize]));
        return result;
    }

    private static void CheckFinite(StateDict weights, string path)
    {
        var bad = weights.Tensors.Where(t => t.DType.IsMixable() && !IsFinite(weights[t.Name])).Select(t => $"'{t.Name}'").ToList();
        if (bad.Count > 0)
            throw new ModelFormatException($"'{path}': {bad.Count} tensor(s) hold NaN or infinite values: {string.Join(", ", bad.Take(10))}.");
    }

    private static bool IsFinite(HostTensor tensor) =>
        TensorPrimitives.IsFiniteAll<float>(tensor.Info.DType == DType.F32 ? MemoryMarshal.Cast<byte, float>(tensor.Bytes) : tensor.ToFloat32());

    private static string TorchName(DType dtype) => dtype switch
    {
        DType.F16 => "float16",
        DType.BF16 => "bfloat16",
        DType.F32 => "float32",
        _ => throw new ArgumentException($"Models are stored as F32, F16 or BF16, not {dtype.SafetensorsName()}.", nameof(dtype)),
    };
}
