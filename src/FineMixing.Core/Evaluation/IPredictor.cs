using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;

namespace FineMixing.Evaluation;

/// <summary>How texts are classified.</summary>
public sealed record PredictionOptions
{
    /// <summary>The longest sequence in tokens, special tokens included, 8 to the model's maximum. Default 128.</summary>
    public int MaxLength { get; init; } = 128;

    /// <summary>The most tokens in one batch, or one text; 0 (the default) takes 1,024 on a CPU and 16,384 on a GPU, padding included there.</summary>
    public int TokensPerBatch { get; init; }

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>The number format of matrix products.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>CPU threads; 0 takes all.</summary>
    public int Threads { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        List<string> problems =
        [
            .. Problem(MaxLength >= 8, $"MaxLength is {MaxLength}; expected at least 8"),
            .. Problem(TokensPerBatch >= 0, $"TokensPerBatch is {TokensPerBatch}; expected 0 (automatic) or more"),
            .. Problem(Enum.IsDefined(Precision), $"Precision is {(int)Precision}; expected Auto, Float32 or BFloat16"),
            .. Problem(Threads is >= 0 and <= 1024, $"Threads is {Threads}; expected 0 (all) to 1024"),
        ];
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
    }

    private static string[] Problem(bool good, FormattableString problem) => good ? [] : [FormattableString.Invariant(problem)];
}

/// <summary>Classifies texts.</summary>
public interface IPredictor
{
    /// <summary>Scores before softmax, one array of <c>LabelCount</c> numbers per example, in the order of the examples.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="examples">Texts or pairs; their labels are not looked at.</param>
    /// <param name="options">Defaults if null.</param>
    /// <param name="progress">Told how many examples are done.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <exception cref="ArgumentException">Options out of range, or a device that does not exist.</exception>
    IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default);
}
