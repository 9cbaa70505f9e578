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
    IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default);
}
