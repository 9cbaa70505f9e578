using System.Globalization;

namespace FineMixing.FineTuning;

/// <summary>The number format of matrix products while training and predicting; weights, layer norms, softmax, loss and optimiser stay in single precision.</summary>
public enum Precision
{
    /// <summary>bfloat16 where the hardware multiplies it fast (AVX512-BF16, AMX, GPU), single precision elsewhere.</summary>
    Auto,

    /// <summary>Single precision throughout.</summary>
    Float32,

    /// <summary>bfloat16 matrix products with single-precision master weights; falls back to <see cref="Float32"/>, and says so, where the hardware has none.</summary>
    BFloat16,
}

/// <summary>How a classifier is fine-tuned: AdamW with linear warm-up and decay.</summary>
public sealed record FineTuningOptions
{
    /// <summary>Peak learning rate, above 0. Default 5e-5.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>Passes over the data, at least 1. Default 20, for 64 samples.</summary>
    public int Epochs { get; init; } = 20;

    /// <summary>Samples per optimiser step, at least 1. Default 16.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Share of the steps in which the learning rate rises linearly from 0, 0 to 1. Default 0.1.</summary>
    public double WarmUp { get; init; } = 0.1;

    /// <summary>Decoupled weight decay of matrices (biases and layer norms have none), at least 0. Default 0.01.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The global 2-norm gradients are clipped to; 0 clips nothing. Default 1.</summary>
    public double GradientClip { get; init; } = 1.0;

    /// <summary>The longest sequence in tokens, special tokens included, 8 to the model's maximum. Default 128.</summary>
    public int MaxLength { get; init; } = 128;

    /// <summary>Replaces the model's dropout probability when given, 0 to below 1.</summary>
    public double? Dropout { get; init; }

    /// <summary>The most tokens (padding included) that go through the model at once; larger batches are accumulated from parts. Bounds memory. Default 8192.</summary>
    public int TokensPerPass { get; init; } = 8192;

    /// <summary>Keeps only the input of each layer and calculates the rest again in the backward pass: less memory for long texts, a third more work, the same gradients. Default false.</summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>Decides the order of samples and the dropout masks.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>The number format of matrix products.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>CPU threads of this run; 0 takes all. Several runs side by side use 1 each.</summary>
    public int Threads { get; init; }

    /// <summary>Parts of a batch whose gradients are computed at the same time, each with its share of the threads, and added: 1 or 2; 0 takes 2 on a CPU and 1 on a GPU.</summary>
    /// <remarks>Each part has dropout masks of its own, so the number of parts changes the result; the number of threads does not, as long as no part has more than one.</remarks>
    public int Shards { get; init; }

    private const int MaxThreads = 1024;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        void Check(bool good, FormattableString problem)
        {
            if (!good)
                problems.Add(problem.ToString(CultureInfo.InvariantCulture));
        }

        Check(double.IsFinite(LearningRate) && LearningRate > 0, $"LearningRate is {LearningRate}; expected a number above 0");
        Check(Epochs >= 1, $"Epochs is {Epochs}; expected at least 1");
        Check(BatchSize >= 1, $"BatchSize is {BatchSize}; expected at least 1");
        Check(WarmUp is >= 0 and <= 1, $"WarmUp is {WarmUp}; expected 0 to 1");
        Check(double.IsFinite(WeightDecay) && WeightDecay >= 0, $"WeightDecay is {WeightDecay}; expected at least 0");
        Check(double.IsFinite(GradientClip) && GradientClip >= 0, $"GradientClip is {GradientClip}; expected at least 0");
        Check(!(LearningRate * WeightDecay >= 1), $"LearningRate {LearningRate} times WeightDecay {WeightDecay} is {LearningRate * WeightDecay}; expected below 1, or a step would leave nothing of a weight");
        Check(MaxLength >= 8, $"MaxLength is {MaxLength}; expected at least 8");
        Check(Dropout is null or (>= 0 and < 1), $"Dropout is {Dropout}; expected 0 to below 1");
        Check(TokensPerPass >= 8, $"TokensPerPass is {TokensPerPass}; expected at least 8");
        Check(Threads is >= 0 and <= MaxThreads, $"Threads is {Threads}; expected 0 (all) to {MaxThreads}");
        Check(Enum.IsDefined(Precision), $"Precision is {(int)Precision}; expected Auto, Float32 or BFloat16");
        Check(Shards is >= 0 and <= 2, $"Shards is {Shards}; expected 0 (automatic), 1 or 2");
        Check(Device == "cpu" || Device == "cuda" || (Device.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(Device.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out _)), $"Device is '{Device}'; expected cpu, cuda or cuda:N");
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
    }
}
