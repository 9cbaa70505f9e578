using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Tokenization;
using FineMixing.Torch.Models;
using FineMixing.Torch.Native;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Teaches a shallow BERT encoder the hidden states of a deeper one with the same vocabulary and width, on unlabelled text.</summary>
/// <remarks>
/// Layer i of n student layers learns layer i * N / n of N teacher layers, as in TinyBERT (Jiao et al. 2020, arXiv 1909.10351):
/// loss = sum over layers of ||student - teacher||^2 / ||teacher||^2, over all tokens that are not padding. No label is ever seen.
/// </remarks>
/// <param name="logger">Told when a requested precision is not available.</param>
public sealed class EncoderDistillation(ILogger? logger = null)
{
    /// <summary>Trains the student's embeddings and layers; its head stays as it is.</summary>
    /// <param name="student">Where to start; not changed.</param>
    /// <param name="teacher">Whose hidden states are learned.</param>
    /// <param name="texts">Plain text, one sentence or passage each.</param>
    /// <param name="options">How; a batch is one pass, so <see cref="FineTuningOptions.TokensPerPass"/>, <see cref="FineTuningOptions.ActivationCheckpointing"/> and <see cref="FineTuningOptions.Shards"/> do not apply.</param>
    /// <param name="progress">Told after every step; the loss is the mean over the student's layers.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <exception cref="ArgumentException">The two do not fit together, or an option is out of range; lists all problems.</exception>
    /// <exception cref="TrainingDivergedException">A gradient or loss is not finite.</exception>
    public FineTuningResult Distill(ClassifierModel student, ClassifierModel teacher, IReadOnlyList<string> texts, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        CheckFit(student.Config, teacher.Config, texts.Count);
        var device = Hardware.Device(options.Device);
        var low = Hardware.UseBFloat16(options.Precision, device, logger);
        var length = Math.Min(options.MaxLength, Math.Min(student.Config.MaxPositions, teacher.Config.MaxPositions));
        var data = student.Tokenizer.EncodeAll([.. texts.Select(t => new TextExample(t, null, 0))], length, cancellationToken: cancellationToken)
            .Select(e => new ModelInput(e, [])).ToArray();
        using var release = new ReleasedMemory();

        // The caller may be inside no_grad() or inference_mode().
        using var gradients = inference_mode(false);
        using var source = ParameterStore.Load(teacher.Config, teacher.Weights, device, low, trainable: false);
        using var target = ParameterStore.Load(student.Config, student.Weights, device, low, trainable: true);
        var losses = Run(target, source, data, options, progress, cancellationToken);
        return new FineTuningResult(student with { Weights = target.Save(student.Weights.Location) }, [.. losses]);
    }

    private static double[] Run(ParameterStore student, ParameterStore teacher, ModelInput[] data, FineTuningOptions options, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        using var threads = TorchThreads.Use(options.Threads);
        using var update = student.Device.type == DeviceType.CPU ? (IParameterUpdate)new CpuAdamW(student, threads.Count) : new TensorAdamW(student);
        var dropout = new DropoutSource(options.Seed, options.Dropout);
        var lengths = Array.ConvertAll(data, d => d.Encoding.Length);
        var total = TrainingLoop.TotalSteps(data.Length, options);
        using var log = new TrainingLog(total, options.Epochs, data.Length, TrainingLog.StepsPerRead(student.Device), progress);
        var step = 0;
        for (var epoch = 0; epoch < options.Epochs; epoch++)
        {
            foreach (var indices in BatchPlan.Epoch(lengths, options.BatchSize, options.Seed, epoch))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var inputs = Array.ConvertAll(indices, i => data[i]);
                var words = update.Gather(inputs);
                dropout.Begin(step, 0);
                var loss = Loss(student, teacher, inputs, words, dropout);
                loss.backward();
                var norm = update.Step(words, LinearSchedule.At(step, total, options.WarmUp, options.LearningRate), options.WeightDecay, options.GradientClip);
                log.Add(epoch, inputs.Length, loss.detach(), norm);
                step++;
            }
        }

        log.Read();
        update.Finish();
        return log.EpochLosses;
    }

    private static Tensor Loss(ParameterStore student, ParameterStore teacher, ModelInput[] inputs, WordRows words, DropoutSource dropout)
    {
        var (wanted, given) = (new ForwardTrace(), new ForwardTrace());
        using (no_grad())
        {
            var batch = new DeviceBatch(inputs, teacher.Config.PadTokenId, id => id, teacher.Device, teacher.LowPrecision);
            FastBert.Logits(teacher, batch, teacher.Words, trace: wanted);
        }

        var studentBatch = new DeviceBatch(inputs, student.Config.PadTokenId, words.RowOf, student.Device, student.LowPrecision);
        FastBert.Logits(student, studentBatch, words.Leaf, dropout, given);
        var mask = studentBatch.Bias is { } bias ? bias.eq(0).to(float32).view(studentBatch.Rows, studentBatch.Tokens, 1) : null;
        var layers = student.Config.Layers;
        var sum = zeros(1, dtype: float32, device: student.Device);
        for (var layer = 1; layer <= layers; layer++)
        {
            var goal = Masked(wanted.HiddenStates[layer * teacher.Config.Layers / layers], mask);
            var error = Masked(given.HiddenStates[layer], mask) - goal;
            sum = sum + (error * error).sum() / (goal * goal).sum();
        }

        return sum / layers;
    }

    private static Tensor Masked(Tensor states, Tensor? mask)
    {
        var values = states.to(float32);
        return mask is null ? values : values * mask;
    }

    private static void CheckFit(ModelConfig student, ModelConfig teacher, int texts)
    {
        var problems = new List<string>();
        if (student.VocabularySize != teacher.VocabularySize)
            problems.Add($"the student has {student.VocabularySize} word pieces, the teacher {teacher.VocabularySize}");
        if (student.HiddenSize != teacher.HiddenSize)
            problems.Add($"the student is {student.HiddenSize} wide, the teacher {teacher.HiddenSize}");
        if (student.Layers > teacher.Layers)
            problems.Add($"the student has {student.Layers} layers, more than the teacher's {teacher.Layers}");
        if (texts == 0)
            problems.Add("there is no text");
        if (problems.Count > 0)
            throw new ArgumentException($"Cannot distil: {string.Join("; ", problems)}.", nameof(student));
    }
}
