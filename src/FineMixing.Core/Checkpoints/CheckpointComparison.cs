namespace FineMixing.Checkpoints;

/// <summary>A tensor of the suspect and the same tensor of the base, maybe under another name.</summary>
/// <param name="Suspect">In the suspect.</param>
/// <param name="Base">In the base.</param>
public readonly record struct TensorPair(TensorInfo Suspect, TensorInfo Base);

/// <summary>Which tensors of a suspect and its base belong together, and everything in which they differ.</summary>
/// <remarks>
/// Names are matched exactly, or else up to: a model prefix (<c>bert.</c>, <c>model.</c>, …) that only one side has, and the old names
/// <c>gamma</c> and <c>beta</c> of LayerNorm's <c>weight</c> and <c>bias</c>.
/// </remarks>
public sealed record CheckpointComparison
{
    private static readonly string[] ModelPrefixes =
        ["bert.", "roberta.", "distilbert.", "electra.", "deberta.", "albert.", "xlm_roberta.", "transformer.", "model.", "base_model."];

    private static readonly string[] HeadSegments =
        ["classifier", "pre_classifier", "score", "pooler", "cls", "lm_head", "qa_outputs", "classification_head", "head", "summary", "sequence_summary",
         "vocab_transform", "vocab_layer_norm", "vocab_projector", "generator_predictions", "generator_lm_head", "discriminator_predictions", "mask_predictions"];

    private static readonly string[] BufferNames = ["position_ids", "embeddings.token_type_ids", "rotary_emb.inv_freq", "attn.masked_bias"];

    private CheckpointComparison(string suspect, string @base)
    {
        SuspectLocation = suspect;
        BaseLocation = @base;
    }

    /// <summary>Where the suspect comes from.</summary>
    public string SuspectLocation { get; }

    /// <summary>Where the base comes from.</summary>
    public string BaseLocation { get; }

    /// <summary>Tensors of both sides with equal shapes, in the suspect's order. Their types may differ.</summary>
    public IReadOnlyList<TensorPair> Pairs { get; private init; } = [];

    /// <summary>Tensors only the suspect has, without stray buffers: normally its classification head.</summary>
    public IReadOnlyList<TensorInfo> SuspectOnly { get; private init; } = [];

    /// <summary>Tensors only the base has, without stray buffers: normally the head of its pre-training task.</summary>
    public IReadOnlyList<TensorInfo> BaseOnly { get; private init; } = [];

    /// <summary>Tensors of both sides, heads excepted, with different shapes. (Heads of different shapes are in both <see cref="SuspectOnly"/> and <see cref="BaseOnly"/>.)</summary>
    public IReadOnlyList<TensorPair> ShapeMismatches { get; private init; } = [];

    /// <summary>The pairs whose element types differ; no obstacle, since values are converted.</summary>
    public IEnumerable<TensorPair> DTypeDifferences => Pairs.Where(p => p.Suspect.DType != p.Base.DType);

    /// <summary>Buffers that hold no learned weights (such as <c>position_ids</c>) and that only one side has.</summary>
    public IReadOnlyList<TensorInfo> StrayBuffers { get; private init; } = [];

    /// <summary>Everything that keeps the two from being mixed, one sentence each; empty if they can be.</summary>
    public IReadOnlyList<string> Problems { get; private init; } = [];

    /// <summary>Compares names, shapes and types.</summary>
    public static CheckpointComparison Compare(ICheckpoint suspect, ICheckpoint @base)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        var canonical = new CanonicalNames(suspect, @base);
        var baseByName = new Lazy<Dictionary<string, TensorInfo>>(() => canonical.Index(@base));
        var matched = new HashSet<string>(suspect.Tensors.Count, StringComparer.Ordinal);
        var pairs = new List<TensorPair>(suspect.Tensors.Count);
        var mismatches = new List<TensorPair>();
        var suspectOnly = new List<TensorInfo>();
        var stray = new List<TensorInfo>();
        foreach (var tensor in suspect.Tensors)
        {
            if (!@base.TryGetTensor(tensor.Name, out var other) && !baseByName.Value.TryGetValue(canonical.Of(tensor.Name), out other))
                (IsStrayBuffer(tensor) ? stray : suspectOnly).Add(tensor);
            else if (!matched.Add(other.Name))
                suspectOnly.Add(tensor);
            else if (other.Shape.AsSpan().SequenceEqual(tensor.Shape.AsSpan()))
                pairs.Add(new TensorPair(tensor, other));
            else if (IsStrayBuffer(tensor))
                stray.AddRange([tensor, other]);
            else if (IsHead(tensor.Name))
            {
                suspectOnly.Add(tensor);
                matched.Remove(other.Name);
            }
            else
                mismatches.Add(new TensorPair(tensor, other));
        }

        var unmatched = @base.Tensors.Where(t => !matched.Contains(t.Name)).ToList();
        stray.AddRange(unmatched.Where(IsStrayBuffer));
        var baseOnly = unmatched.Where(t => !IsStrayBuffer(t)).ToList();
        return new CheckpointComparison(suspect.Location, @base.Location)
        {
            Pairs = pairs,
            SuspectOnly = suspectOnly,
            BaseOnly = baseOnly,
            ShapeMismatches = mismatches,
            StrayBuffers = stray,
            Problems = Describe(pairs, suspectOnly, baseOnly, mismatches),
        };
    }

    /// <summary>True for tensors of a task's head (classifier, pooler, language-model head), which a base need not have.</summary>
    public static bool IsHead(string tensorName)
    {
        ArgumentNullException.ThrowIfNull(tensorName);
        // A head is a module at the top, or right below the model: "classifier.weight", "bert.pooler.dense.bias".
        var name = tensorName.AsSpan();
        var top = name.IndexOf('.');
        if (top < 0)
            return IsHeadSegment(name);
        var rest = name[(top + 1)..];
        var dot = rest.IndexOf('.');
        return IsHeadSegment(name[..top]) || IsHeadSegment(dot < 0 ? rest : rest[..dot]);
    }

    private static bool IsHeadSegment(ReadOnlySpan<char> segment)
    {
        foreach (var head in HeadSegments)
        {
            if (segment.SequenceEqual(head))
                return true;
        }

        return false;
    }

    /// <summary>Refuses checkpoints that cannot be mixed.</summary>
    /// <exception cref="IncompatibleCheckpointsException">There are <see cref="Problems"/>; all are listed.</exception>
    public void ThrowIfIncompatible()
    {
        if (Problems.Count == 0)
            return;
        const int Shown = 50;
        var more = Problems.Count > Shown ? $"\n  … and {Problems.Count - Shown} more" : "";
        throw new IncompatibleCheckpointsException(
            $"The suspect '{SuspectLocation}' and the base '{BaseLocation}' differ in {Problems.Count} way{(Problems.Count == 1 ? "" : "s")} and cannot be mixed:\n  {string.Join("\n  ", Problems.Take(Shown))}{more}",
            Problems);
    }

    private static List<string> Describe(List<TensorPair> pairs, List<TensorInfo> suspectOnly, List<TensorInfo> baseOnly, List<TensorPair> mismatches)
    {
        var problems = new List<string>();
        if (pairs.Count == 0)
            problems.Add("They have no tensor in common.");
        problems.AddRange(mismatches.Select(m => m.Suspect.Name == m.Base.Name
            ? $"'{m.Suspect.Name}' is {m.Suspect.ShapeText} in the suspect and {m.Base.ShapeText} in the base."
            : $"'{m.Suspect.Name}' is {m.Suspect.ShapeText} in the suspect; '{m.Base.Name}' is {m.Base.ShapeText} in the base."));
        problems.AddRange(suspectOnly.Where(t => !IsHead(t.Name)).Select(t => $"'{t.Name}' {t.ShapeText} is missing in the base."));
        problems.AddRange(baseOnly.Where(t => !IsHead(t.Name)).Select(t => $"'{t.Name}' {t.ShapeText} is missing in the suspect."));
        return problems;
    }

    private static bool IsStrayBuffer(TensorInfo tensor) =>
        BufferNames.Any(b => tensor.Name == b || tensor.Name.EndsWith("." + b, StringComparison.Ordinal))
        // GPT-2's causal mask has four dimensions and the name of a bias.
        || (tensor.Name.EndsWith(".attn.bias", StringComparison.Ordinal) && tensor.Shape.Length == 4);

    /// <summary>Names without the prefix that only one side has, and with today's names of LayerNorm's parameters.</summary>
    private sealed class CanonicalNames
    {
        private readonly string[] _oneSided;

        public CanonicalNames(ICheckpoint suspect, ICheckpoint @base) =>
            _oneSided = [.. ModelPrefixes.Where(p => HasPrefix(suspect, p) != HasPrefix(@base, p))];

        public Dictionary<string, TensorInfo> Index(ICheckpoint checkpoint)
        {
            var index = new Dictionary<string, TensorInfo>(StringComparer.Ordinal);
            foreach (var tensor in checkpoint.Tensors)
                index.TryAdd(Of(tensor.Name), tensor);
            return index;
        }

        public string Of(string name)
        {
            var prefix = _oneSided.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal));
            var bare = prefix is null ? name : name[prefix.Length..];
            return Renamed(bare, "LayerNorm.gamma", "LayerNorm.weight") ?? Renamed(bare, "LayerNorm.beta", "LayerNorm.bias") ?? bare;
        }

        private static string? Renamed(string name, string old, string now) =>
            name.EndsWith(old, StringComparison.Ordinal) ? name[..^old.Length] + now : null;

        private static bool HasPrefix(ICheckpoint checkpoint, string prefix) =>
            checkpoint.Tensors.Any(t => t.Name.StartsWith(prefix, StringComparison.Ordinal));
    }
}
