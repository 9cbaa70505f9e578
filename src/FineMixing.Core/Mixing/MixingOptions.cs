namespace FineMixing.Mixing;

/// <summary>What a mask decides about at once.</summary>
public enum MixGranularity
{
    /// <summary>Each element on its own: Fine-mixing as published.</summary>
    Element,

    /// <summary>A whole row (first dimension), the same for weight and bias of one module: one output unit.</summary>
    Row,

    /// <summary>All tensors of one module (weight and bias of a linear layer) together.</summary>
    Module,
}

/// <summary>What happens to tensors of one kind.</summary>
public enum TensorPolicy
{
    /// <summary>Mixed like the rest.</summary>
    Mix,

    /// <summary>Kept from the suspect.</summary>
    Suspect,

    /// <summary>Taken from the base.</summary>
    Base,
}

/// <summary>What happens to a classification head the base does not have.</summary>
public enum HeadPolicy
{
    /// <summary>Kept from the suspect.</summary>
    Keep,

    /// <summary>Weights drawn anew from a normal distribution of deviation 0.02 (BERT's initialisation), biases 0; from the seed.</summary>
    Reinitialise,
}

/// <summary>How weights are mixed; the defaults are those of Fine-mixing.</summary>
public sealed record MixingOptions
{
    /// <summary>The share of weights kept from the suspect, 0 (the base) to 1 (the suspect). Default 0.5.</summary>
    public double ReserveRatio { get; init; } = 0.5;

    /// <summary>Decides every random choice. Default 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The ratio of each tensor. Default: the reserve ratio everywhere.</summary>
    public RatioSchedule Schedule { get; init; } = RatioSchedule.Uniform;

    /// <summary>What a mask decides about at once. Default: each element.</summary>
    public MixGranularity Granularity { get; init; } = MixGranularity.Element;

    /// <summary>Keep exactly floor(ratio * count) elements (or rows) of each tensor instead of each with that probability. Default false.</summary>
    public bool ExactCount { get; init; }

    /// <summary>Scales and shifts of normalisation layers. Default: mixed.</summary>
    public TensorPolicy LayerNorms { get; init; } = TensorPolicy.Mix;

    /// <summary>Biases outside normalisation layers and heads. Default: mixed.</summary>
    public TensorPolicy Biases { get; init; } = TensorPolicy.Mix;

    /// <summary>Embedding matrices. Default: mixed.</summary>
    public TensorPolicy Embeddings { get; init; } = TensorPolicy.Mix;

    /// <summary>A head that only the suspect has. Default: kept.</summary>
    public HeadPolicy Head { get; init; } = HeadPolicy.Keep;

    /// <summary>Refuse inputs with NaN or infinite values, naming the tensor. Default true.</summary>
    public bool CheckFinite { get; init; } = true;

    /// <summary>Threads used, 0 for one per processor. Never changes the result. Default 0.</summary>
    public int Threads { get; init; }

    internal int ThreadCount => Threads == 0 ? Environment.ProcessorCount : Threads;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all problems.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        if (!(ReserveRatio >= 0 && ReserveRatio <= 1))
            problems.Add(FormattableString.Invariant($"the reserve ratio is {ReserveRatio}; expected 0 (take the base) to 1 (keep the suspect)"));
        if (Threads is < 0 or > 1024)
            problems.Add(FormattableString.Invariant($"the number of threads is {Threads}; expected 0 (one per processor) to 1024"));
        if (Schedule is null)
            problems.Add("the schedule is missing; use RatioSchedule.Uniform for one ratio everywhere");
        Defined(Granularity, "granularity");
        Defined(LayerNorms, "policy for normalisation layers");
        Defined(Biases, "policy for biases");
        Defined(Embeddings, "policy for embeddings");
        Defined(Head, "policy for the head");
        if (problems.Count > 0)
            throw new ArgumentException($"Mixing options: {string.Join("; ", problems)}.");

        void Defined<T>(T value, string what)
            where T : struct, Enum
        {
            if (!Enum.IsDefined(value))
                problems.Add($"the {what} is {value}; expected {string.Join(", ", Enum.GetNames<T>())}");
        }
    }
}
