using FineMixing.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>One text of a training or evaluation set, ready for the model.</summary>
/// <param name="Encoding">Token ids and types.</param>
/// <param name="Target">The wanted probability of each class (one-hot for a label); empty when only predicting.</param>
internal sealed record ModelInput(Encoding Encoding, float[] Target);

/// <summary>Rows padded to the longest of them, as tensors.</summary>
internal sealed class DeviceBatch
{
    private const float Masked = -1e9f;

    /// <summary>Builds the tensors; they belong to the current dispose scope.</summary>
    /// <param name="inputs">The rows.</param>
    /// <param name="padId">Fills short rows.</param>
    /// <param name="indexOf">Maps a token id to a row of the word matrix in use.</param>
    /// <param name="device">Where the tensors go.</param>
    /// <param name="lowPrecision">True to make the attention bias bfloat16.</param>
    public DeviceBatch(IReadOnlyList<ModelInput> inputs, int padId, Func<int, long> indexOf, Device device, bool lowPrecision)
    {
        Rows = inputs.Count;
        Tokens = inputs.Max(i => i.Encoding.Length);
        var words = new long[Rows * Tokens];
        var types = new long[Rows * Tokens];
        var bias = new float[Rows * Tokens];
        var padded = false;
        var pad = indexOf(padId);
        for (var row = 0; row < Rows; row++)
        {
            var encoding = inputs[row].Encoding;
            for (var i = 0; i < Tokens; i++)
            {
                var at = (row * Tokens) + i;
                if (i < encoding.Length)
                {
                    words[at] = indexOf(encoding.Ids[i]);
                    types[at] = encoding.TypeIds[i];
                }
                else
                {
                    words[at] = pad;
                    bias[at] = Masked;
                    padded = true;
                }
            }
        }

        WordIndex = OnDevice(tensor(words), device);
        TypeIndex = OnDevice(tensor(types), device);
        if (padded)
            Bias = OnDevice(tensor(bias, [Rows, 1, 1, Tokens]), device).to(lowPrecision ? bfloat16 : float32);
        var classes = inputs[0].Target.Length;
        if (classes > 0)
            Targets = OnDevice(tensor(inputs.SelectMany(i => i.Target).ToArray(), [Rows, classes]), device);
    }

    public int Rows { get; }

    public int Tokens { get; }

    /// <summary>Rows of the word matrix, int64 [rows * tokens].</summary>
    public Tensor WordIndex { get; }

    /// <summary>Segments, int64 [rows * tokens].</summary>
    public Tensor TypeIndex { get; }

    /// <summary>Added to attention scores, [rows, 1, 1, tokens]; null when nothing is padded.</summary>
    public Tensor? Bias { get; }

    /// <summary>Wanted probabilities, single precision [rows, labels].</summary>
    public Tensor? Targets { get; }

    // Copies from pinned memory do not wait for the device; the library keeps that memory until they are done.
    private static Tensor OnDevice(Tensor host, Device device) => device.type == DeviceType.CPU ? host : host.pin_memory().to(device, non_blocking: true);
}
